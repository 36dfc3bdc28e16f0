"""Files were renamed since the picture was made."""

import pytest

from backend.fields import to_request
from backend.infotext import read
from backend.paste import paste, with_names_of_now
from backend.request import GenerationRequest
from backend.service import GenerationService
from backend.settings import Settings
from tests.backend.fake_catalog import FakeCatalog, entry
from tests.backend.stage import ask, open_service, write_safetensors

CATALOG = FakeCatalog(
    [
        entry("checkpoint", "now.safetensors", "0123456789" + "ab" * 27),
        entry("vae", "bright.safetensors", "fedcba9876" + "cd" * 27),
        entry("lora", "styles/ink.safetensors", "aaaaaaaaaaaa"),
        entry("lora", "odd:name.safetensors", "cccccccccccc"),
    ]
)


SETTINGS = Settings().override({"disable_weights_auto_swap": False})


def pasted(prompt: str, line: str) -> GenerationRequest:
    return to_request(paste(f"{prompt}\nSteps: 5, Sampler: Euler, {line}", SETTINGS, CATALOG))


@pytest.mark.parametrize(
    ("prompt", "line", "expected"),
    [
        ("a <lora:old:0.8:lbw=OUTD>", '"old: aaaaaaaaaaaa"', "a <lora:styles/ink:0.8:lbw=OUTD>"),
        ("a <lora:old> <lyco:old:1>", '"old: aaaaaaaaaaaa"', "a <lora:styles/ink> <lyco:styles/ink:1>"),
        ("a <lora:an, old:1>", '"an old: aaaaaaaaaaaa"', "a <lora:styles/ink:1>"),
        ("a <lora:old:1>", '"old: cccccccccccc"', "a <lora:cccccccccccc:1>"),
        ("a <lora:ink:1>", '"ink: cccccccccccc"', "a <lora:ink:1>"),
        ("a <lora:old:1>", '"old: bbbbbbbbbbbb"', "a <lora:old:1>"),
        ("a <lora:old:1>", '"strange"', "a <lora:old:1>"),
        ("a old:1>", '"old: aaaaaaaaaaaa"', "a old:1>"),
    ],
)
def test_a_lora_whose_name_is_gone_is_found_by_its_hash(prompt: str, line: str, expected: str):
    assert pasted(prompt, f"Lora hashes: {line}").prompt == expected


def test_a_hires_prompts_loras_are_found_too():
    labels = with_names_of_now({"Hires prompt": "b <lora:old:1>", "Lora hashes": "x: dddddddddddd, old: aaaaaaaaaaaa"}, CATALOG)
    assert labels["Hires prompt"] == "b <lora:styles/ink:1>"


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("Model hash: 0123456789, Model: old", {"sd_model_checkpoint": "0123456789"}),
        ("Model hash: 9999999999, Model: now", {"sd_model_checkpoint": "now.safetensors"}),
        ("Model: now", {"sd_model_checkpoint": "now.safetensors"}),
        ("Model hash: 9999999999, Model: old", {"sd_model_checkpoint": "9999999999"}),
        ("VAE hash: fedcba9876, VAE: old.safetensors", {"sd_vae": "bright.safetensors"}),
        ("VAE hash: 1111111111, VAE: bright.safetensors", {"sd_vae": "bright.safetensors"}),
        ("VAE hash: 1111111111, VAE: old.safetensors", {"sd_vae": "old.safetensors"}),
    ],
)
def test_checkpoint_and_vae_are_found_by_hash_and_by_name(line: str, settings: dict[str, str]):
    assert dict(pasted("a", line).override_settings).items() >= settings.items()


def test_a_picture_whose_lora_was_renamed_is_drawn_again_with_it(tmp_path):
    service: GenerationService = open_service(tmp_path)
    try:
        infotext = service.submit(ask("a <lora:ink:0.5>")).wait(10).images[0].infotext
        lora = tmp_path / "models" / "Lora"
        lora.joinpath("ink.safetensors").rename(lora / "drawing.safetensors")
        write_safetensors(lora / "other.safetensors", {"another": "one"})
        service.catalog.refresh("lora")
        for entry in service.catalog.entries("lora"):
            service.catalog.short_hash(entry)
        values = paste(infotext, service.settings.current, service.catalog)
        again = service.submit(to_request(values)).wait(10).images[0].infotext
    finally:
        service.close()
    assert read(again)["Prompt"] == "a <lora:drawing:0.5>"
    assert read(again)["Lora hashes"].split(": ")[1] == read(infotext)["Lora hashes"].split(": ")[1]
