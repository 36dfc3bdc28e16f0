import math
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.catalog import Catalog
from backend.errors import NotFound, WebUIError
from backend.fields import to_request
from backend.job import FileRef, NetworkRef
from backend.listing import Refused
from backend.networks.blocks import read_blocks
from backend.plan import Plan, plan
from backend.plan_networks import StepCounts, find_networks
from backend.plan_prompts import PicturePrompts, picture_prompts
from backend.prompts.styles import Style, StyleTable
from backend.request import Hires
from backend.settings import Settings
from tests.backend.fake_catalog import FakeCatalog, entry

STYLES = StyleTable([Style(name="Cinematic", prompt="cinematic {prompt}", negative_prompt="cartoon")])
SHA = "0123456789abcdef" * 4
CATALOG = FakeCatalog(
    [
        entry("checkpoint", "first.safetensors", SHA),
        entry("checkpoint", "sub/second.safetensors", SHA[::-1]),
        entry("vae", "first.vae.safetensors", "11" * 32),
        entry("vae", "other.safetensors", "22" * 32),
        entry("lora", "ink.safetensors"),
        entry("lora", "style/Oil.safetensors", metadata={"ss_output_name": "oil_v2"}),
    ],
    {"ink": "aaaaaaaaaaaa", "Oil": "bbbbbbbbbbbb"},
)


def planned(settings: dict[str, Any] | None = None, catalog: Catalog = CATALOG, seed: int = 0, vae_file: Path | None = None, **asked: Any) -> Plan:
    return plan(to_request(asked), Settings().override(settings or {}), catalog, STYLES, draw=random.Random(seed), vae_file=vae_file)


def networks(prompt: str) -> tuple[NetworkRef, ...]:
    return planned(prompt=prompt).jobs[0].networks


# ---- batches and seeds


def test_each_iteration_is_a_job_and_seeds_count_through():
    decided = plan(to_request({"seed": 5, "batch_size": 2, "n_iter": 3}), Settings(), CATALOG, STYLES, draw=random.Random(0))
    assert [job.seeds for job in decided.jobs] == [(5, 6), (7, 8), (9, 10)]
    assert [image.seed for image in decided.images] == [5, 6, 7, 8, 9, 10]
    assert [job.batch_size for job in decided.jobs] == [2, 2, 2]


def test_with_a_variation_the_subseed_counts_and_the_seed_stays():
    request = to_request({"seed": 5, "subseed": 90, "subseed_strength": 0.3, "batch_size": 2, "n_iter": 2})
    jobs = plan(request, Settings(), CATALOG, STYLES, draw=random.Random(0)).jobs
    assert [(job.seeds, job.subseeds) for job in jobs] == [((5, 5), (90, 91)), ((5, 5), (92, 93))]


def test_minus_one_draws_a_seed_below_two_to_the_32():
    seeds = {planned(seed=number).images[0].seed for number in range(50)}
    assert len(seeds) == 50 and all(0 <= seed < 2**32 for seed in seeds)


def test_planning_draws_nothing_but_what_it_is_given():
    request = to_request({"prompt": "a cat", "n_iter": 3})
    first, second = (plan(request, Settings(), CATALOG, STYLES, draw=random.Random(3)) for _ in range(2))
    assert first == second


def test_sizes_are_floored_to_eight_for_the_job_alone():
    decided = planned(width=70, height=69)
    assert (decided.jobs[0].width, decided.jobs[0].height) == (64, 64)
    assert (decided.request.size.width, decided.request.size.height) == (70, 69)


def test_resizing_a_seed_needs_both_sides():
    assert planned(seed_resize_from_w=96, seed_resize_from_h=64).jobs[0].seed_resize_from == (96, 64)
    assert planned(seed_resize_from_w=96, seed_resize_from_h=-1).jobs[0].seed_resize_from == (0, 0)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"steps": 0}, "Sampling steps cannot be 0"),
        ({"steps": 1001}, "from 1 to 1000"),
        ({"width": 0}, "Width cannot be 0"),
        ({"height": 8200}, "from 8 to 8192"),
        ({"batch_size": 65}, "Batch size cannot be 65"),
        ({"n_iter": 0}, "Batch count cannot be 0"),
        ({"sampler_name": "Eulr"}, r"Unknown sampler 'Eulr'. Known: DPM\+\+ 2M, "),
        ({"scheduler": "Karas"}, "Unknown schedule type 'Karas'. Known: Automatic, "),
        ({"override_settings": {"nosuch": 1}}, "Unknown setting 'nosuch'"),
        ({"override_settings": {"sd_model_checkpoint": "third"}}, r"Unknown checkpoint 'third'. Known: first.safetensors \[0123456789\], "),
        ({"override_settings": {"sd_vae": "third"}}, "Unknown VAE 'third'. Known: Automatic, None, first.vae.safetensors, other.safetensors"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_a_sentence(asked: dict[str, Any], told: str):
    with pytest.raises(WebUIError, match=told):
        planned(**asked)


def test_a_file_that_is_there_and_cannot_be_used_is_not_called_unknown():
    kinds = ("checkpoint", "vae", "lora")
    refused = [Refused(kind=kind, name="cut.safetensors", path=Path("/x/cut.safetensors"), reason=f"this {kind} is cut off") for kind in kinds]
    catalog = FakeCatalog(CATALOG.entries("checkpoint"), refused=refused)
    for kind, key in (("checkpoint", "sd_model_checkpoint"), ("vae", "sd_vae")):
        with pytest.raises(NotFound, match=f"this {kind} is cut off"):
            planned(catalog=catalog, override_settings={key: "cut"})
    assert planned(catalog=catalog, prompt="a cat <lora:cut:1>").comments == ("Error: this lora is cut off",)


# ---- prompts


def test_styles_are_merged_and_tags_stay_for_the_infotext():
    decided = planned(prompt="a cat <lora:ink:0.5>", negative_prompt="dog", styles=["Cinematic"])
    assert (decided.jobs[0].prompts, decided.jobs[0].negative_prompts) == (("cinematic a cat ",), ("dog, cartoon",))
    assert decided.images[0].prompt == "cinematic a cat <lora:ink:0.5>"


def test_an_unknown_style_is_told():
    assert planned(styles=["Nope"]).comments == ("There is no style 'Nope'.",)


def test_comments_are_stripped_unless_the_setting_says_otherwise():
    assert planned(prompt="a cat # black").images[0].prompt.strip() == "a cat"
    assert planned({"enable_prompt_comments": False}, prompt="a cat # black").images[0].prompt == "a cat # black"


# ---- networks


@pytest.mark.parametrize(
    ("tag", "te", "unet", "dyn"),
    [
        ("<lora:ink>", 1.0, 1.0, None),
        ("<lora:ink:0.5>", 0.5, 0.5, None),
        ("<lora:ink:0.5:0.2>", 0.5, 0.2, None),
        ("<lora:ink:0.5:0.2:4>", 0.5, 0.2, 4),
        ("<lora:ink:te=0.1>", 0.1, 0.1, None),
        ("<lora:ink:1:unet=0.3>", 1.0, 0.3, None),
        ("<lora:ink:0.7:dyn=2>", 0.7, 0.7, 2),
        ("<lyco:ink:-0.5>", -0.5, -0.5, None),
        ("<lora:ink:0>", 0.0, 0.0, None),
    ],
)
def test_weights_go_by_position_and_by_name(tag: str, te: float, unet: float, dyn: int | None):
    expected = NetworkRef(file=FileRef(name="ink.safetensors"), label="ink", te_weight=te, unet_weight=unet, dyn=dyn)
    assert networks(f"a cat {tag}") == (expected,)


def test_a_lora_is_found_by_alias_and_hashed_under_the_name_written():
    decided = planned(prompt="<lora:oil_v2:1> <lora:ink:1>")
    assert [network.file.name for network in decided.jobs[0].networks] == ["style/Oil.safetensors", "ink.safetensors"]
    assert decided.images[0].hashes == (("oil_v2", "bbbbbbbbbbbb"), ("ink", "aaaaaaaaaaaa"))


def test_hashes_are_left_out_if_the_setting_says_so():
    assert planned({"lora_add_hashes_to_infotext": False}, prompt="<lora:ink:1>").images[0].hashes == ()


@pytest.mark.parametrize(
    ("prompt", "comment"),
    [
        ("<lora:nope:1>", "Networks not found: nope"),
        ("<lora:oil:1>", "Networks not found: oil (there is Oil)"),
        ("<lora:ink:much>", "<lora:ink:much> does nothing: 'much' is no number."),
        ("<lora:ink:nan>", "<lora:ink:nan> does nothing: 'nan' is no number."),
        ("<hypernet:x:1>", "<hypernet:x:1> does nothing: 'hypernet' is no extra network that is known here."),
    ],
)
def test_a_tag_that_cannot_be_used_becomes_a_comment(prompt: str, comment: str):
    decided = planned(prompt=f"a cat {prompt}<lora:ink:1>")
    assert decided.comments == (f"Error: {comment}",)
    assert [network.label for network in decided.jobs[0].networks] == ["ink"]
    assert decided.jobs[0].prompts == ("a cat ",)


def test_a_name_of_several_files_draws_a_comment_and_a_path_does_not():
    catalog = FakeCatalog([entry("checkpoint", "x.safetensors", SHA), *(entry("lora", f"{name}.safetensors") for name in ("styles/ink", "b/ink", "ink"))])
    decided = planned(catalog=catalog, prompt="a cat <lora:ink:1><lora:ink:0.5>")
    assert decided.comments == ("There are 3 Loras named ink: styles/ink is used; for the others write b/ink or ink.safetensors.",)
    assert [network.file.name for network in decided.jobs[0].networks] == ["styles/ink.safetensors"] * 2
    assert planned(catalog=catalog, prompt="a cat <lora:b/ink.safetensors:1>").comments == ()


def test_a_tag_in_the_negative_prompt_stays_text_with_a_hint():
    decided = planned(prompt="a cat", negative_prompt="ugly <lora:ink:1>")
    assert (decided.jobs[0].networks, decided.jobs[0].negative_prompts) == ((), ("ugly <lora:ink:1>",))
    assert "<lora:ink:1> in the negative prompt" in decided.comments[0]


def test_without_extra_networks_tags_are_cut_out_and_nothing_else():
    decided = planned({"sd_lora": "ink"}, prompt="a cat <lora:ink:1><lora:nope:1>", disable_extra_networks=True)
    assert (decided.jobs[0].networks, decided.jobs[0].prompts, decided.images[0].hashes, decided.comments) == ((), ("a cat ",), (), ())


def test_the_default_network_is_added_once():
    settings = {"sd_lora": "ink", "extra_networks_default_multiplier": 0.5}
    assert planned(settings, prompt="a cat").images[0].prompt == "a cat<lora:ink:0.5>"
    assert planned(settings, prompt="a cat").jobs[0].networks[0].te_weight == 0.5
    assert planned(settings, prompt="a cat <lora:ink:1>").images[0].prompt == "a cat <lora:ink:1>"


SEVENTEEN = ",".join(["0.5"] * 17)


def test_block_weights_come_as_numbers_or_by_name():
    (ink,) = networks(f"<lora:ink:0.8:lbw={SEVENTEEN}>")
    assert (ink.te_weight, ink.blocks) == (0.8, read_blocks(SEVENTEEN))
    assert networks("<lora:ink:0.8:lbw=OUTD>")[0].blocks == read_blocks("OUTD")
    assert planned({"lora_block_presets": "MINE:OUTD"}, prompt="<lora:ink:1:lbw=MINE>").jobs[0].networks[0].blocks == read_blocks("OUTD")


def test_block_weights_that_are_none_leave_the_network_as_it_is_with_a_comment():
    decided = planned(prompt="<lora:ink:1:lbw=1,2,3>")
    assert decided.jobs[0].networks[0].blocks == ()
    (comment,) = decided.comments
    assert comment.startswith("Error: <lora:ink:1:lbw=1,2,3> is used without block weights: 3 block weights: 17 or 26 numbers are needed")


@pytest.mark.parametrize(
    ("tag", "start", "stop"),
    [
        ("start=0.5", 10, None),
        ("start=5", 5, None),
        ("stop=0.25", 0, 5),
        ("stop=.25", 0, 5),
        ("stop=1", 0, 1),
        ("stop=1.0", 0, None),
        ("stop=20", 0, None),
        ("start=3:stop=0.6", 3, 12),
        ("step=3-12", 3, 12),
        ("step=0.5-1.0", 10, None),
        ("start=99", 20, None),
        ("start=0", 0, None),
    ],
)
def test_a_network_starts_and_stops_at_a_fraction_or_a_step(tag: str, start: int, stop: int | None):
    (ink,) = networks(f"<lora:ink:1:{tag}>")
    assert (ink.start, ink.stop) == (start, stop)


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("start=0.6:stop=0.3", "<lora:ink:1:start=0.6:stop=0.3> changes no step: of 20 it starts after 12 and stops after 6."),
        ("start=99", "<lora:ink:1:start=99> changes no step: of 20 it starts after 20 and stops after 20."),
        ("stop=-1", "Error: <lora:ink:1:stop=-1> does nothing: '-1' is no step."),
        ("start=soon", "Error: <lora:ink:1:start=soon> does nothing: 'soon' is no number."),
        ("strength=2", "<lora:ink:1:strength=2>: strength= means nothing here. Known: dyn, hr, lbw, start, step, stop, te, unet."),
    ],
)
def test_what_a_tag_says_in_vain_is_told(tag: str, told: str):
    assert planned(prompt=f"<lora:ink:1:{tag}>").comments == (told,)


@pytest.mark.parametrize(
    ("tag", "first", "second"),
    [
        ("1", (1, 0, None), (1, 0, None)),
        ("1:hr=0.4", (1, 0, None), (0.4, 0, None)),
        ("1:hr=0", (1, 0, None), (0, 0, None)),
        ("1:stop=0.5", (1, 0, 10), (1, 0, 0)),
        ("1:start=0.5", (1, 10, None), (1, 0, None)),
        ("1:start=1.5", (1, 20, None), (1, 4, None)),
        ("1:stop=24", (1, 0, None), (1, 0, 4)),
        ("1:stop=0.5:hr=0.7", (1, 0, 10), (0.7, 0, None)),
    ],
)
def test_steps_count_through_both_passes_and_hr_is_the_weight_of_the_second(tag: str, first: tuple, second: tuple):
    def found(*, hires: bool) -> tuple:
        (ink,) = find_networks(f"<lora:ink:{tag}>", CATALOG, StepCounts(20, 8), hires=hires).networks
        return ink.unet_weight, ink.start, ink.stop

    assert (found(hires=False), found(hires=True)) == (first, second)


@given(st.text(alphabet="<lora:ink=.,-+0123456789tehrsop b>", max_size=60), st.sampled_from(["lbw", "start", "stop", "step", "hr", "te", "dyn"]))
def test_no_tag_is_too_odd_to_plan(text: str, name: str):
    decided = planned(prompt=f"a cat <lora:ink:1:{name}={text}>{text}")
    assert all(math.isfinite(network.unet_weight) for network in decided.jobs[0].networks)


# ---- a prompt for each picture


def test_every_picture_has_the_networks_of_its_own_prompt():
    prompts = ("a <lora:ink:1>", "b <lora:ink:1>", "c", "d <lora:Oil:0.5>")
    decided = plan(replace(to_request({"batch_size": 2, "n_iter": 2, "seed": 5}), prompts=prompts), Settings(), CATALOG, STYLES, draw=random.Random(0))
    assert [job.prompts for job in decided.jobs] == [("a ", "b "), ("c",), ("d ",)]
    assert [job.seeds for job in decided.jobs] == [(5, 6), (7,), (8,)]
    assert [[network.label for network in job.networks] for job in decided.jobs] == [["ink"], [], ["Oil"]]
    assert [image.hashes for image in decided.images] == [(("ink", "aaaaaaaaaaaa"),)] * 2 + [(), (("Oil", "bbbbbbbbbbbb"),)]
    assert [image.prompt for image in decided.images] == list(prompts)


def test_pictures_may_have_negative_prompts_of_their_own_and_styles_are_merged_into_each():
    request = replace(to_request({"prompt": "a cat", "n_iter": 2, "styles": ["Cinematic"]}), negative_prompts=("dog", "bird"))
    decided = plan(request, Settings(), CATALOG, STYLES, draw=random.Random(0))
    assert [image.negative_prompt for image in decided.images] == ["dog, cartoon", "bird, cartoon"]
    assert {image.prompt for image in decided.images} == {"cinematic a cat"}


def test_the_hires_pass_has_the_networks_of_its_own_prompt_or_the_pictures():
    request = replace(to_request({"steps": 10, "n_iter": 2}), prompts=("a <lora:ink:1:hr=0.5>", "b <lora:ink:1:stop=1.5>"))

    def decided(hires: Hires) -> list[PicturePrompts]:
        return list(picture_prompts(replace(request, hires=hires), Settings(), STYLES, CATALOG))

    first, second = decided(Hires(steps=4))
    assert [[(ref.unet_weight, ref.stop) for ref in refs] for refs in first.networks] == [[(1, None)], [(0.5, None)]]
    assert [[(ref.unet_weight, ref.stop) for ref in refs] for refs in second.networks] == [[(1, None)], [(1, 2)]]
    (own, _) = decided(Hires(prompt="c <lora:Oil:1>"))
    assert own.hires and (own.hires.networks.text, own.hires.prompt) == ("c ", "c <lora:Oil:1>")
    assert own.hashes == (("ink", "aaaaaaaaaaaa"), ("Oil", "bbbbbbbbbbbb"))
    assert [[ref.label for ref in refs] for refs in own.networks] == [["ink"], ["Oil"]]


def test_too_few_prompts_are_refused():
    with pytest.raises(WebUIError, match="The number of prompts is 1, that of pictures 2"):
        plan(replace(to_request({"batch_size": 2}), prompts=("a",)), Settings(), CATALOG, STYLES, draw=random.Random(0))


# ---- files


def test_the_first_checkpoint_is_used_where_none_is_chosen():
    assert planned().checkpoint.name == "first.safetensors"
    assert planned().jobs[0].model.checkpoint == FileRef(name="first.safetensors", hash=SHA)


def test_a_checkpoint_that_was_set_and_is_gone_is_replaced_with_a_comment():
    decided = planned({"sd_model_checkpoint": "gone.safetensors"})
    assert (decided.checkpoint.name, len(decided.comments)) == ("first.safetensors", 1)
    assert "gone.safetensors" in decided.comments[0]


def test_a_request_may_name_another_checkpoint():
    decided = planned({"sd_model_checkpoint": "first"}, override_settings={"sd_model_checkpoint": "second"})
    assert decided.checkpoint.name == "sub/second.safetensors"


def test_without_any_checkpoint_the_person_is_told_where_to_put_one():
    with pytest.raises(NotFound, match="models/Stable-diffusion"):
        planned(catalog=FakeCatalog([]))


@pytest.mark.parametrize(
    ("checkpoint", "vae", "expected"),
    [
        ("first", "Automatic", "first.vae.safetensors"),
        ("second", "Automatic", None),
        ("first", "None", None),
        ("second", "other.safetensors", "other.safetensors"),
    ],
)
def test_the_vae_is_that_of_the_setting(checkpoint: str, vae: str, expected: str | None):
    decided = planned({"sd_model_checkpoint": checkpoint, "sd_vae": vae})
    assert (decided.vae.name if decided.vae else None) == expected
    assert (decided.jobs[0].model.vae is None) == (expected is None)


def test_the_vae_of_the_command_line_goes_before_the_setting():
    assert planned({"sd_vae": "None"}, vae_file=Path("/models/vae/other.safetensors")).vae == CATALOG.find("vae", "other")
    with pytest.raises(NotFound, match="--vae-path"):
        planned(vae_file=Path("/nowhere.pt"))


# ---- sampling and options


@pytest.mark.parametrize(
    ("sampler", "scheduler", "expected"),
    [
        ("DPM++ 2M", "Automatic", ("DPM++ 2M", "Karras", "Karras")),
        ("Euler", "Automatic", ("Euler", "Uniform", "Automatic")),
        ("k_euler_a", "karras", ("Euler a", "Karras", "Karras")),
        ("DPM++ 2M Exponential", "Automatic", ("DPM++ 2M", "Exponential", "Exponential")),
        ("DPM++ 2M Karras", "SGMUniform", ("DPM++ 2M", "SGM Uniform", "SGM Uniform")),
        ("ddim", "Beta", ("DDIM", "Beta", "Beta")),
    ],
)
def test_sampler_and_schedule_are_resolved(sampler: str, scheduler: str, expected: tuple[str, str, str]):
    decided = planned(sampler_name=sampler, scheduler=scheduler)
    sampling = decided.jobs[0].sampling
    assert (sampling.sampler, sampling.scheduler, decided.schedule_type) == expected


def test_fields_of_the_request_go_before_settings():
    settings = {"eta_ancestral": 0.5, "s_churn": 3.0, "s_min_uncond": 2.0, "tiling": True}
    sampling = planned(settings, sampler_name="Euler a").jobs[0].sampling
    assert (sampling.eta, sampling.s_churn, sampling.s_min_uncond) == (0.5, 3.0, 2.0)
    decided = planned(settings, sampler_name="Euler a", eta=0, s_churn=1.0, s_min_uncond=0.0, tiling=False)
    sampling = decided.jobs[0].sampling
    assert (sampling.eta, sampling.s_churn, sampling.s_min_uncond, decided.jobs[0].model.tiling) == (0, 1.0, 0.0, False)


def test_eta_is_that_of_the_samplers_kind():
    settings = {"eta_ddim": 0.3, "eta_ancestral": 0.6}
    assert [planned(settings, sampler_name=name).jobs[0].sampling.eta for name in ("DDIM", "Euler a")] == [0.3, 0.6]


def test_overrides_reach_the_frozen_options():
    overrides = {
        "CLIP_stop_at_last_layers": 2,
        "emphasis": "No norm",
        "randn_source": "NV",
        "eta_noise_seed_delta": 31337,
        "no_dpmpp_sde_batch_determinism": True,
        "sd_noise_schedule": "Zero Terminal SNR",
        "token_merging_ratio": 0.5,
        "sd_checkpoints_limit": 3,
        "unet_dtype_cpu": "float32",
        "auto_vae_precision": False,
        "rho": 5,
    }
    decided = planned(override_settings=overrides)
    job = decided.jobs[0]
    assert (job.conditioning.clip_skip, job.conditioning.emphasis) == (2, "No norm")
    assert (job.sampling.noise_source, job.sampling.ensd, job.sampling.brownian_per_image, job.sampling.zero_terminal_snr) == ("NV", 31337, False, True)
    assert (job.model.token_merging_ratio, job.model.keep_loaded, job.model.unet_dtype, job.model.vae_retry_float32) == (0.5, 3, "float32", False)
    assert (job.sampling.rho, decided.settings["rho"], decided.comments) == (5, 5, ())


def test_defaults_of_the_settings_are_those_of_the_job():
    job = planned(sampler_name="Euler").jobs[0]
    assert job.sampling == replace(type(job.sampling)(), steps=20)
    assert job.conditioning == type(job.conditioning)()
    assert job.model == type(job.model)(checkpoint=job.model.checkpoint, vae=job.model.vae)
    assert job.preview == type(job.preview)()


def test_a_setting_that_does_nothing_yet_is_told_where_it_asks_for_something():
    assert planned(override_settings={"lora_functional": True}).comments == ("The setting lora_functional does nothing yet.",)
    assert planned(override_settings={"lora_functional": False}).comments == ()


def test_previews_are_off_if_either_setting_says_so():
    assert planned({"live_previews_enable": False}).jobs[0].preview.every_steps == 0
    assert planned({"show_progress_every_n_steps": -1}).jobs[0].preview.every_steps == 0
    assert planned({"show_progress_type": "Full"}).jobs[0].preview.method == "Full"
