import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.errors import NotFound, WebUIError
from backend.fields import to_request
from backend.job import FileRef
from backend.listing import Refused
from backend.plan import plan
from backend.settings import Settings
from tests.backend.fake_catalog import FakeCatalog
from tests.backend.planned import CATALOG, SHA, STYLES, planned

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
    assert planned({"show_progress_type": "TAESD"}).jobs[0].preview.method == "TAESD"
