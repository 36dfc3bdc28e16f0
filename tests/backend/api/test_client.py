"""A client library for A1111's API goes through its calls against the real server."""

from collections.abc import Iterator
from typing import Any

import pytest
import webuiapi
from PIL import Image

import app
from backend.flags import parse_flags
from backend.service import GenerationService
from tests.backend.stage import open_service
from tests.serving import serve

SMALL: dict[str, Any] = {"prompt": "a cat", "width": 16, "height": 8, "steps": 2, "seed": 7}
LISTS = (
    "get_options get_cmd_flags get_progress get_samplers get_schedulers get_sd_vae get_upscalers get_latent_upscale_modes get_loras get_sd_models "
    "get_hypernetworks get_face_restorers get_realesrgan_models get_prompt_styles get_scripts get_embeddings get_memory"
).split()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GenerationService]:
    service = open_service(tmp_path_factory.mktemp("client"), sd_model_checkpoint="tiny.safetensors")
    yield service
    service.close()


@pytest.fixture(scope="module")
def client(service: GenerationService) -> Iterator[webuiapi.WebUIApi]:
    with serve(app.build(service, parse_flags(["--nowebui", "--api-auth", "ann:secret"]))) as url:
        yield webuiapi.WebUIApi(baseurl=f"{url}/sdapi/v1", sampler="Euler a", steps=2, username="ann", password="secret")


def test_pictures_come_with_their_parameters(client: webuiapi.WebUIApi):
    drawn = client.txt2img(**SMALL, batch_size=2)
    assert [image.size for image in drawn.images] == [(16, 8)] * 2
    assert (drawn.info["all_seeds"], drawn.parameters["prompt"], drawn.info["sampler_name"]) == ([7, 8], "a cat", "Euler a")


def test_pictures_are_drawn_from_pictures(client: webuiapi.WebUIApi):
    start, mask = Image.new("RGB", (16, 8), "red"), Image.new("L", (16, 8), 255)
    assert client.img2img(images=[start], **SMALL).image.size == (16, 8)
    assert client.img2img(images=[start], mask_image=mask, inpaint_full_res=False, **SMALL).image.size == (16, 8)


def test_pictures_are_made_larger(client: webuiapi.WebUIApi):
    picture = Image.new("RGB", (16, 8), "red")
    assert client.extra_single_image(picture, upscaler_1="Lanczos").image.size == (32, 16)
    assert [image.size for image in client.extra_batch_images([picture, picture], upscaler_1="Nearest").images] == [(32, 16)] * 2


def test_what_a_picture_says_is_read(client: webuiapi.WebUIApi):
    assert "a cat" in client.png_info(client.txt2img(**SMALL).image).info


def test_every_list_is_there(client: webuiapi.WebUIApi):
    answers = {name: getattr(client, name)() for name in LISTS}
    assert not [name for name, answer in answers.items() if isinstance(answer, dict) and "error" in answer]
    assert next(model["title"] for model in answers["get_sd_models"]).startswith("tiny.safetensors")


def test_the_checkpoint_is_chosen_by_its_title(client: webuiapi.WebUIApi):
    client.util_set_model("second")
    assert client.util_get_current_model().startswith("other/second.safetensors")
    client.set_options({"sd_model_checkpoint": "tiny.safetensors"})
    client.refresh_checkpoints()
    client.util_wait_for_ready(check_interval=0.01)


def test_stopping_what_does_not_run_is_no_error(client: webuiapi.WebUIApi):
    assert (client.interrupt(), client.skip()) == ({}, None)


def test_the_other_things_that_it_asks_for(client: webuiapi.WebUIApi):
    larger = client.txt2img(**SMALL, enable_hr=True, hr_scale=2, hr_upscaler=webuiapi.HiResUpscaler.Latent, denoising_strength=0.5)
    assert "Hires upscaler: Latent" in larger.info["infotexts"][0]
    named = client.txt2img(**SMALL, styles=["Cinematic"], sampler_index="DDIM", override_settings={"CLIP_stop_at_last_layers": 2})
    assert named.info["styles"] == ["Cinematic"] and "Clip skip: 2" in named.info["infotexts"][0]
    assert "tiny" in client.util_get_model_names()[-1] and "Euler a" in client.util_get_sampler_names() and "karras" in client.util_get_scheduler_names()
    assert client.get_progress()["state"]["job_count"] == 0


def test_what_is_not_there_is_told_in_a_sentence(client: webuiapi.WebUIApi):
    with pytest.raises(RuntimeError, match="404"):
        client.interrogate(Image.new("RGB", (16, 8)))
    with pytest.raises(RuntimeError, match="422"):
        client.txt2img(**SMALL, script_name="nosuch")
