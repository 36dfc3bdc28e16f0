import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.fields import FIELDS, from_labels, to_request
from backend.infotext import VERSION, read, write
from backend.plan import Plan, plan
from backend.plan_sampling import choose_sampler
from backend.prompts.styles import Style, StyleTable
from backend.request import GenerationRequest, Sampling, Seed, Size
from backend.sampling.names import BUILT_IN, SAMPLERS, SCHEDULERS
from backend.settings import Settings
from tests.backend.fake_catalog import golden_catalog

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "infotexts.json").read_text("utf-8"))
STYLES = StyleTable(
    [
        Style(name="Cinematic", prompt="cinematic still, {prompt}, film grain", negative_prompt="cartoon, drawing"),
        Style(name="Tagged", prompt="best quality", negative_prompt="worst quality"),
    ]
)
FROM_THE_RUN = ("TI hashes", "Emphasis", "Pad conds", "Pad conds v0", "VAE Decoder")  # what write() is told by the engine
CATALOG = golden_catalog()


def planned(request: GenerationRequest, settings: Settings | None = None) -> Plan:
    return plan(request, settings or Settings(), CATALOG, STYLES, draw=random.Random(0))


def golden_plan(changed: Mapping[str, Any]) -> Plan:
    """As the API does it: numbers are floats where the field is one, and the API's defaults hold."""
    payload = {key: value for key, value in (GOLDEN["payload"] | changed).items() if value is not None}
    if "sampler_index" in payload:
        payload.setdefault("sampler_name", payload.pop("sampler_index"))
    floats = {field.key for field in FIELDS if field.kind is float}
    payload = {key: float(value) if key in floats else value for key, value in payload.items()}
    return planned(to_request({field.key: field.api_default for field in FIELDS} | payload))


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in GOLDEN["cases"]])
def test_the_text_is_a1111s_letter_for_letter(case: Mapping[str, Any]):
    decided = golden_plan(case["changed"])
    for index, text in enumerate(case["infotexts"]):
        extra = {label: value for label, value in read(text).items() if label in FROM_THE_RUN}
        assert write(decided, index, extra).replace(VERSION, "v1.10.1") == text


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in GOLDEN["cases"] if case["name"] != "lora2/old-api"])  # hashes left out
def test_a1111s_text_read_and_planned_again_is_the_same_text(case: Mapping[str, Any]):
    text = case["infotexts"][0]
    labels = read(text)
    settings = Settings().override({"disable_weights_auto_swap": False})
    again = planned(to_request(from_labels(labels, settings)), settings)
    assert write(again, 0, {label: value for label, value in labels.items() if label in FROM_THE_RUN}).replace(VERSION, "v1.10.1") == text


# What an infotext carries: what is left out of these requests is what A1111 leaves out of its text.

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r#"), max_size=40) | st.lists(
    st.sampled_from(["\n", "Negative prompt:", "Steps: 3", ", ", '"', "\\", ":", " ", "猫", "a", "Size: 1x2", "<lora:lora:1>"]), max_size=8
).map("".join)
UNSIGNED = st.integers(0, 2**62)
NUMBER = st.floats(0.01, 1000) | st.integers(1, 1000)
ALWAYS = {
    "CLIP_stop_at_last_layers": st.integers(2, 12),
    "randn_source": st.sampled_from(["CPU", "NV"]),
    "tiling": st.just(True),
    "token_merging_ratio": st.floats(0.01, 0.9),
    "skip_early_cond": st.floats(0.01, 1),
    "s_min_uncond": NUMBER,
    "sd_noise_schedule": st.just("Zero Terminal SNR"),
    "use_downcasted_alpha_bar": st.just(True),
    "sd_vae": st.just("tiny-vae-b.safetensors"),
}


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    sampler = draw(st.sampled_from(SAMPLERS))
    schedulers = [info for info in SCHEDULERS if info.label != "Automatic" or sampler.scheduler is None]
    scheduler = draw(st.sampled_from(schedulers))
    settings = dict(ALWAYS)
    if not sampler.discard_next_to_last:
        settings["always_discard_next_to_last_sigma"] = st.just(True)
    if sampler.eta:
        settings[sampler.eta] = st.floats(0.01, 0.99)
    settings |= {name: NUMBER.filter(lambda value: value != 1) for name in sampler.noise_options}
    if sampler.uses_ensd:
        settings["eta_noise_seed_delta"] = st.integers(1, 2**40)
    if not sampler.timesteps:
        settings["sgm_noise_multiplier"] = st.just(True)
        if scheduler.label != "Automatic":
            settings |= {"sigma_min": NUMBER, "sigma_max": NUMBER}
            if scheduler.default_rho != -1:
                settings["rho"] = NUMBER.filter(lambda value: value != scheduler.default_rho)
        if scheduler.label == "Beta":
            settings |= {"beta_dist_alpha": st.floats(0.61, 1), "beta_dist_beta": st.floats(0.01, 0.59)}
    varied = draw(st.booleans())
    resized = draw(st.booleans())
    side = st.integers(8, 8192)
    return GenerationRequest(
        prompt=draw(TEXT).lstrip(),
        negative_prompt=draw(TEXT),
        seed=Seed(
            seed=draw(UNSIGNED),
            subseed=draw(UNSIGNED) if varied else -1,
            subseed_strength=draw(st.floats(0.01, 1)) if varied else 0.0,
            resize_from_w=draw(side) if resized else 0,
            resize_from_h=draw(side) if resized else 0,
        ),
        size=Size(width=draw(side), height=draw(side)),
        sampling=Sampling(sampler=sampler.label, scheduler=scheduler.label, steps=draw(st.integers(1, 1000)), cfg_scale=draw(NUMBER)),
        override_settings=draw(st.fixed_dictionaries({}, optional=settings)),
    )


@given(requests())
def test_write_then_read_gives_the_request_back(request: GenerationRequest):
    decided = planned(request)
    text = write(decided, 0, {"TI hashes": 'a: 1, b: "2"'})
    assert to_request(from_labels(read(text))) == request
    assert read(text)["TI hashes"] == 'a: 1, b: "2"'


@given(TEXT, st.dictionaries(st.from_regex(r"[A-Z][a-z]{1,9}( [a-z]{1,9})?", fullmatch=True), st.text(st.characters(exclude_categories=["Cs"]))))
def test_any_value_that_a_run_tells_comes_back(prompt: str, extra: dict[str, str]):
    known = read(write(planned(GenerationRequest(seed=Seed(seed=1))), 0, {}))
    extra = {label: value for label, value in extra.items() if label not in known and label not in ("Size", "Seed resize from", "Hires resize")}
    labels = read(write(planned(GenerationRequest(prompt=prompt, seed=Seed(seed=1))), 0, extra))
    assert {label: labels.get(label) for label in extra} == extra


def test_each_picture_of_a_plan_has_its_own_seed():
    decided = planned(GenerationRequest(seed=Seed(seed=7), batch_size=2, n_iter=2))
    assert [read(write(decided, index, {}))["Seed"] for index in range(4)] == ["7", "8", "9", "10"]


def test_settings_leave_fields_out():
    off = {f"add_{what}_to_info": False for what in ("model_name", "model_hash", "vae_name", "vae_hash")}
    settings = Settings().override(
        off | {"add_version_to_infotext": False, "textual_inversion_add_hashes_to_infotext": False, "sd_vae": "tiny-vae-b.safetensors"}
    )
    text = write(planned(GenerationRequest(seed=Seed(seed=1)), settings), 0, {"TI hashes": "a: 1"})
    assert text == "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.0, Seed: 1, Size: 512x512"


def test_a_text_without_parameters_is_a_prompt():
    assert read("a cat, 4: k\nred: 1, blue: 2") == {"Prompt": "a cat, 4: k\nred: 1, blue: 2", "Negative prompt": ""}
    assert read("") == {"Prompt": "", "Negative prompt": ""}


def test_a_text_from_a_windows_clipboard_is_read():
    labels = read("a cat\r\nNegative prompt: dog\r\nSteps: 8, Sampler: Euler, Seed: 3, Size: 64x96\r\n")
    assert labels == {"Prompt": "a cat", "Negative prompt": "dog", "Steps": "8", "Sampler": "Euler", "Seed": "3", "Size-1": "64", "Size-2": "96"}


def test_a_long_line_without_parameters_is_read_at_once():
    line = "word " * 40_000
    assert read(line)["Prompt"] == line


def test_the_sampler_is_named_as_a1111_resolves_it():
    assert [choose_sampler(Sampling(sampler=name), BUILT_IN)[1].label for name in ("DPM++ 2M", "Euler", "DPM++ 2M SDE", "Euler Karras")] == [
        "Karras",
        "Automatic",
        "Exponential",
        "Karras",
    ]


def test_hashes_are_those_of_the_pictures_own_networks_but_for_what_had_no_effect():
    request = GenerationRequest(prompts=("a <lora:lora:1><lora:lora-b:0.5>", "b"), n_iter=2, seed=Seed(seed=1))
    decided = planned(request)
    assert read(write(decided, 0, {}))["Lora hashes"] == "lora: ff9c8a9f112b, lora-b: e693b3c1aa30"
    assert read(write(decided, 0, {}, ("lora",)))["Lora hashes"] == "lora-b: e693b3c1aa30"
    assert "Lora hashes" not in read(write(decided, 0, {}, ("lora", "lora-b"))) | read(write(decided, 1, {}))
    assert read(write(decided, 1, {}))["Prompt"] == "b"
