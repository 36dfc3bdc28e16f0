import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.fields import to_request
from backend.flags import parse_flags
from backend.hashes import HashCache
from backend.paths import Paths
from backend.request import GenerationRequest, Hires
from backend.setting_table import SETTINGS
from backend.settings import Settings
from extensions.xyz_plot.axes import A1111, Scope, axes, find
from extensions.xyz_plot.notation import split
from tests.backend.stage import write_safetensors

# What A1111's script-info answers for "X type", on txt2img and on img2img.
TXT2IMG = [
    *("Nothing", "Seed", "Var. seed", "Var. strength", "Steps", "Hires steps", "CFG Scale", "Prompt S/R", "Prompt order", "Sampler", "Hires sampler"),
    *("Checkpoint name", "Negative Guidance minimum sigma", "Sigma Churn", "Sigma min", "Sigma max", "Sigma noise", "Schedule type", "Schedule min sigma"),
    *("Schedule max sigma", "Schedule rho", "Beta schedule alpha", "Beta schedule beta", "Eta", "Clip skip", "Denoising", "Initial noise multiplier"),
    *("Extra noise", "Hires upscaler", "VAE", "Styles", "UniPC Order", "Face restore", "Token merging ratio", "Token merging ratio high-res"),
    *("Always discard next-to-last sigma", "SGM noise multiplier", "Refiner checkpoint", "Refiner switch at", "RNG source", "FP8 mode", "Size"),
]
IMG2IMG = [
    *("Nothing", "Seed", "Var. seed", "Var. strength", "Steps", "CFG Scale", "Image CFG Scale", "Prompt S/R", "Prompt order", "Sampler", "Checkpoint name"),
    *("Negative Guidance minimum sigma", "Sigma Churn", "Sigma min", "Sigma max", "Sigma noise", "Schedule type", "Schedule min sigma", "Schedule max sigma"),
    *("Schedule rho", "Beta schedule alpha", "Beta schedule beta", "Eta", "Clip skip", "Denoising", "Initial noise multiplier", "Extra noise"),
    *("Cond. Image Mask Weight", "VAE", "Styles", "UniPC Order", "Face restore", "Token merging ratio", "Token merging ratio high-res"),
    *("Always discard next-to-last sigma", "SGM noise multiplier", "Refiner checkpoint", "Refiner switch at", "RNG source", "FP8 mode", "Size"),
]


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    paths = Paths.from_flags(parse_flags(["--data-dir", str(tmp_path)]), tmp_path)
    paths.ensure()
    for name in ("ink", "styles/oil", "plain"):
        write_safetensors(tmp_path / f"models/Lora/{name}.safetensors", {"which": name})
    (tmp_path / "models/Lora/ink.json").write_text(json.dumps({"activation text": "inkstyle", "preferred weight": 0.7, "negative text": "photo"}), "utf-8")
    return Catalog(paths, HashCache(paths.cache / "hashes.db"))


@pytest.fixture
def change(catalog: Catalog) -> Callable[..., GenerationRequest]:
    """The request after one value of an axis."""

    def act(
        label: str, text: str, index: int = 0, *, tab: str = "txt2img", loras: tuple[str, ...] = (), request: GenerationRequest | None = None, **asked: Any
    ):
        axis = find(tab, label)
        values = axis.read(split(text))
        request = request or to_request(asked)
        return axis.apply(request, values[index], Scope(values=values, loras=loras, catalog=catalog, settings=Settings()))

    return act


@pytest.mark.parametrize(("tab", "labels"), [("txt2img", TXT2IMG), ("img2img", IMG2IMG)])
def test_a1111s_axes_have_the_places_that_they_have_there(tab: str, labels: list[str]):
    assert [axis.label for axis in axes(tab)][: len(labels)] == labels
    assert len({axis.label for axis in axes(tab)}) == len(axes(tab))


@pytest.mark.parametrize(
    ("label", "text", "get", "value"),
    [
        ("Seed", "5", lambda r: r.seed.seed, 5),
        ("Var. seed", "6", lambda r: r.seed.subseed, 6),
        ("Var. strength", "0.25", lambda r: r.seed.subseed_strength, 0.25),
        ("Steps", "9", lambda r: r.sampling.steps, 9),
        ("CFG Scale", "4", lambda r: r.sampling.cfg_scale, 4.0),
        ("Sampler", "Heun", lambda r: r.sampling.sampler, "Heun"),
        ("Schedule type", "Karras", lambda r: r.sampling.scheduler, "Karras"),
        ("Eta", "0.5", lambda r: r.sampling.eta, 0.5),
        ("Denoising", "0.3", lambda r: r.denoising_strength, 0.3),
        ("Size", "512x768", lambda r: (r.size.width, r.size.height), (512, 768)),
        ("Refiner switch at", "0.5", lambda r: r.refiner, None),
        ("Styles", "Cinematic", lambda r: r.styles, ("Cinematic",)),
        ("Field: Width", "640", lambda r: r.size.width, 640),
        ("Field: Tiling", "true", lambda r: r.tiling, True),
        ("Field: Batch size", "2", lambda r: r.batch_size, 2),
        ("Field: Prompt", "a dog", lambda r: r.prompt, "a dog"),
    ],
)
def test_a_value_changes_its_field(change, label: str, text: str, get: Callable[[GenerationRequest], Any], value: Any):
    assert get(change(label, text)) == value
    assert get(change("Nothing", "x")) == get(to_request({}))


@pytest.mark.parametrize(
    ("label", "text", "key", "value"),
    [
        ("Checkpoint name", "tiny.safetensors", "sd_model_checkpoint", "tiny.safetensors"),
        ("VAE", "None", "sd_vae", "None"),
        ("Clip skip", "2", "CLIP_stop_at_last_layers", 2),
        ("Sigma Churn", "3", "s_churn", 3.0),
        ("Sigma min", "1", "s_tmin", 1.0),
        ("Negative Guidance minimum sigma", "2", "s_min_uncond", 2.0),
        ("Schedule min sigma", "0.1", "sigma_min", 0.1),
        ("SGM noise multiplier", "True", "sgm_noise_multiplier", True),
        ("RNG source", "CPU", "randn_source", "CPU"),
        ("Token merging ratio", "0.5", "token_merging_ratio", 0.5),
        ("Extra noise", "0.1", "img2img_extra_noise", 0.1),
        ("UniPC Order", "2", "uni_pc_order", 2),
    ],
)
def test_a_value_overrides_its_setting_for_this_picture(change, label: str, text: str, key: str, value: Any):
    request = change(label, text, override_settings={"emphasis": "No norm"}, s_churn=9.0)
    assert request.override_settings == {"emphasis": "No norm", key: value}
    assert Settings().override(request.override_settings)[key] == value


def test_a_setting_goes_before_the_field_of_the_same_name(change):
    assert change("Sigma Churn", "3", s_churn=9.0).sampling.s_churn is None


def test_every_axis_of_a_setting_names_one_that_exists():
    for axis in A1111:
        if axis.label in ("Nothing", "Prompt S/R", "Prompt order", "Size") or axis.missing:
            continue
        values = axis.read(["1"])
        request = axis.apply(to_request({}), values[0], Scope(values=values, loras=(), catalog=None, settings=Settings()))  # type: ignore[arg-type]
        assert request.override_settings.keys() <= SETTINGS.keys(), axis.label


def test_hires_axes_change_nothing_where_there_is_no_second_pass(change):
    assert change("Hires steps", "7") == to_request({})
    assert change("Hires steps", "7", enable_hr=True).hires == Hires(steps=7)
    assert change("Field: Hires. fix", "true").hires == Hires()


def test_a_refiner_comes_and_goes_with_its_checkpoint(change):
    refiner = change("Refiner checkpoint", "second").refiner
    assert refiner is not None and refiner.checkpoint == "second"
    assert change("Refiner checkpoint", "None", refiner_checkpoint="second").refiner is None


def test_prompt_sr_replaces_the_first_value_in_both_prompts(change):
    request = change("Prompt S/R", 'cat, "dog, big", cow', 1, prompt="a cat, cats", negative_prompt="no cat")
    assert (request.prompt, request.negative_prompt) == ("a dog, big, dog, bigs", "no dog, big")
    with pytest.raises(WebUIError, match="did not find bird"):
        change("Prompt S/R", "bird, fish", prompt="a cat")


def test_prompt_order_moves_parts_and_leaves_what_is_between_them(change):
    prompts = [change("Prompt order", "red, big", index, prompt="a red and big cat").prompt for index in range(2)]
    assert prompts == ["a red and big cat", "a big and red cat"]
    with pytest.raises(WebUIError, match="did not find blue"):
        change("Prompt order", "red, blue", prompt="a red cat")


@pytest.mark.parametrize(
    ("label", "text", "shown"),
    [
        ("Seed", "5", "Seed: 5"),
        ("CFG Scale", "7", "CFG Scale: 7.0"),
        ("CFG Scale", "0.1-0.3 (+0.1)", "CFG Scale: 0.1"),
        ("Sampler", "Euler a", "Euler a"),
        ("Checkpoint name", "some/where/tiny.safetensors", "tiny.safetensors"),
        ("Prompt order", "a, b", "a, b"),
        ("Size", "64x96", "Size: 64x96"),
        ("Nothing", "x", ""),
        ("LoRA", "styles/oil", "oil"),
        ("LoRA", "None", "without LoRA"),
        ("LoRA weight", "-0.5", "LoRA weight: -0.5"),
    ],
)
def test_a_legend_names_values_as_a1111_does(label: str, text: str, shown: str):
    axis = find("txt2img", label)
    assert axis.show(axis.label, axis.read(split(text))[0]) == shown


def test_an_unknown_axis_is_refused_with_the_known_ones():
    with pytest.raises(WebUIError, match=r"Unknown axis 'Hires steps'\. Known: Nothing, Seed"):
        find("img2img", "Hires steps")


def test_what_cannot_be_varied_says_so():
    missing = [axis.label for axis in A1111 if axis.missing]
    for label in missing:
        with pytest.raises(WebUIError, match="cannot be used"):
            find("txt2img", label)


# LoRAs.


def test_a_lora_comes_with_what_its_card_would_put_in(change):
    request = change("LoRA", "ink, plain, None", 0, prompt="a cat", negative_prompt="ugly", loras=("ink", "plain", "None"))
    assert (request.prompt, request.negative_prompt) == ("a cat <lora:ink:0.7> inkstyle", "ugly, photo")
    assert change("LoRA", "plain", prompt="a cat", loras=("plain",)).prompt == "a cat <lora:plain:1.0>"


def test_only_the_compared_loras_leave_the_prompt(change):
    loras = ("ink", "None")
    assert change("LoRA", "ink, None", 1, prompt="a <lora:ink:0.3:dyn=2>cat <lora:plain:1>", loras=loras).prompt == "a cat <lora:plain:1>"
    assert change("LoRA", "ink, None", 0, prompt="a cat <lora:ink:0.3> <lora:plain:1>", loras=loras).prompt == "a cat  <lora:plain:1> <lora:ink:0.7> inkstyle"


def test_a_lora_that_is_not_there_is_named(change):
    with pytest.raises(WebUIError, match="There is no LoRA 'nosuch'"):
        change("LoRA", "nosuch", loras=("nosuch",))


@pytest.mark.parametrize(
    ("label", "tag", "after"),
    [
        ("LoRA weight", "<lora:ink:1>", "<lora:ink:0.5>"),
        ("LoRA weight", "<lora:ink>", "<lora:ink:0.5>"),
        ("LoRA weight", "<lora:ink:1:0.2:4>", "<lora:ink:0.5:dyn=4>"),
        ("LoRA weight", "<lora:ink:1:te=0.1:lbw=MID>", "<lora:ink:0.5:lbw=MID>"),
        ("LoRA TE weight", "<lora:ink:0.8>", "<lora:ink:0.5:0.8>"),
        ("LoRA TE weight", "<lora:ink:0.8:unet=0.5>", "<lora:ink:0.5>"),
        ("LoRA U-Net weight", "<lora:ink:0.8>", "<lora:ink:0.8:0.5>"),
        ("LoRA U-Net weight", "<lora:ink>", "<lora:ink:1:0.5>"),
    ],
)
def test_a_weight_changes_in_its_tag(change, label: str, tag: str, after: str):
    assert change(label, "0.5", prompt=f"a {tag} cat").prompt == f"a {after} cat"


def test_weights_are_those_of_the_axis_lora_where_there_is_one(change):
    prompt = "<lora:plain:1> <lora:ink:0.7>"
    assert change("LoRA weight", "-1", prompt=prompt, loras=("ink", "None")).prompt == "<lora:plain:1> <lora:ink:-1>"
    assert change("LoRA weight", "-1", prompt=prompt).prompt == "<lora:plain:-1> <lora:ink:-1>"
    assert change("LoRA weight", "2", prompt="a cat", loras=("ink", "None")).prompt == "a cat"


def test_a_prompt_without_a_lora_has_no_weight_to_change(change):
    with pytest.raises(WebUIError, match="no <lora:…>"):
        change("LoRA weight", "0.5", prompt="a cat <hypernet:x:1>")


def test_a_hires_prompt_of_its_own_is_changed_as_well(change):
    request = replace(to_request({"prompt": "<lora:ink:1>"}), hires=Hires(prompt="<lora:ink:0.2>"))
    changed = change("LoRA weight", "0.5", request=request)
    assert changed.hires is not None and (changed.prompt, changed.hires.prompt) == ("<lora:ink:0.5>", "<lora:ink:0.5>")


def test_block_weights_are_put_in_and_taken_out(change):
    assert change("LoRA block weights", "MID", prompt="<lora:ink:1:lbw=INS>").prompt == "<lora:ink:1:lbw=MID>"
    assert change("LoRA block weights", "None", prompt="<lora:ink:1:lbw=INS>").prompt == "<lora:ink:1>"
    with pytest.raises(WebUIError, match="'nosuch' is no preset"):
        change("LoRA block weights", "nosuch", prompt="<lora:ink:1>")


def test_what_may_be_chosen_is_looked_up(catalog: Catalog):
    offered = {axis.label: list(axis.offer(catalog, Settings().override({"lora_block_presets": "MINE:1,1"}))) for axis in axes("txt2img") if axis.offer}
    assert offered["LoRA"] == ["None", "ink", "plain", "styles/oil"]
    assert offered["LoRA block weights"][0] == "None" and "MINE" in offered["LoRA block weights"]
    assert offered["VAE"] == ["Automatic", "None"]
    assert "Latent" in offered["Hires upscaler"] and "Lanczos" in offered["Hires upscaler"]
