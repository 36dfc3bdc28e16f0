"""The API over a real service with a fake engine, through the same application as app.py builds."""

import asyncio
import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import app
from backend.exposure import Exposure
from backend.flags import parse_flags
from backend.service import GenerationService
from tests.backend.stage import open_service
from tests.backend.test_service import stepping
from tests.backend.workers.fake_engine import colour

HERE = "http://127.0.0.1:7860"
SMALL = {"prompt": "a cat", "width": 16, "height": 8, "steps": 3, "seed": 7}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path, sd_model_checkpoint="tiny.safetensors")
    yield service
    service.close()


@pytest.fixture
def start(service: GenerationService) -> Callable[..., TestClient]:
    def client(*flags: str) -> TestClient:
        return TestClient(app.build(service, parse_flags(["--nowebui", *flags])), base_url=HERE)

    return client


@pytest.fixture
def client(start) -> TestClient:
    return start()


def pictures(answer: httpx.Response) -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in answer.json()["images"]]


def info(answer: httpx.Response) -> dict:
    return json.loads(answer.json()["info"])


# ---- txt2img


def test_txt2img_answers_with_the_picture_and_its_parameters_in_it(client: TestClient):
    answer = client.post("/sdapi/v1/txt2img", json=SMALL)
    assert answer.status_code == 200
    assert set(answer.json()) == {"images", "parameters", "info"}
    (picture,) = pictures(answer)
    assert (picture.format, picture.size, picture.getpixel((0, 0))) == ("PNG", (16, 8), colour(7))
    assert [picture.text["parameters"]] == info(answer)["infotexts"]  # type: ignore[attr-defined]


def test_info_has_the_keys_of_a1111(client: TestClient):
    keys = """prompt all_prompts negative_prompt all_negative_prompts seed all_seeds subseed all_subseeds subseed_strength width height sampler_name
        cfg_scale steps batch_size restore_faces face_restoration_model sd_model_name sd_model_hash sd_vae_name sd_vae_hash seed_resize_from_w
        seed_resize_from_h denoising_strength extra_generation_params index_of_first_image infotexts styles job_timestamp clip_skip
        is_using_inpainting_conditioning version"""
    found = info(client.post("/sdapi/v1/txt2img", json={**SMALL, "batch_size": 2, "n_iter": 2}))
    assert list(found) == keys.split()
    assert found["all_seeds"] == [7, 8, 9, 10]
    assert found["index_of_first_image"] == 0
    assert len(found["infotexts"]) == 4


def test_parameters_repeat_the_request_with_a1111s_defaults(client: TestClient):
    parameters = client.post("/sdapi/v1/txt2img", json={"width": 8, "height": 8, "cfg_scale": 5}).json()["parameters"]
    assert parameters["steps"] == 50
    assert parameters["sampler_name"] is None
    assert parameters["sampler_index"] == "Euler"
    assert parameters["cfg_scale"] == 5.0
    assert parameters["styles"] is None
    assert parameters["seed_resize_from_h"] == -1
    assert parameters["script_args"] == []
    assert len(parameters) == 55


def test_a_request_that_says_nothing_draws_50_steps_of_euler(client: TestClient):
    text = info(client.post("/sdapi/v1/txt2img", json={"width": 8, "height": 8, "steps": None, "sampler_name": None}))["infotexts"][0]
    assert text.startswith("Steps: 50, Sampler: Euler, Schedule type: Automatic, CFG scale: 7.0")


def test_save_images_saves_and_puts_the_grid_first(client: TestClient, tmp_path: Path):
    answer = client.post("/sdapi/v1/txt2img", json={**SMALL, "batch_size": 2, "save_images": True})
    assert [picture.size for picture in pictures(answer)] == [(32, 8), (16, 8), (16, 8)]
    assert info(answer)["index_of_first_image"] == 1
    assert len(list((tmp_path / "outputs").rglob("*.png"))) == 3


def test_nothing_is_saved_unless_asked_for(client: TestClient, tmp_path: Path):
    client.post("/sdapi/v1/txt2img", json={**SMALL, "batch_size": 2})
    assert list((tmp_path / "outputs").rglob("*.png")) == []


def test_an_answered_request_holds_no_memory(client: TestClient, service: GenerationService):
    client.post("/sdapi/v1/txt2img", json=SMALL)
    assert [image.pixels for task in service.tasks() for image in task.images] == [None]


def test_send_images_false_leaves_them_out(client: TestClient):
    answer = client.post("/sdapi/v1/txt2img", json={**SMALL, "send_images": False})
    assert (answer.json()["images"], len(info(answer)["infotexts"])) == ([], 1)


def test_an_infotext_is_drawn_again_and_what_the_request_says_goes_before_it(client: TestClient):
    text = "a dog\nNegative prompt: blurry\nSteps: 6, Sampler: Euler a, CFG scale: 5.5, Seed: 77, Size: 24x16, ENSD: 31337"
    answer = client.post("/sdapi/v1/txt2img", json={"infotext": text, "steps": 5, "seed": 3, "override_settings": {"CLIP_stop_at_last_layers": 2}})
    assert answer.json()["parameters"]["override_settings"] == {"eta_noise_seed_delta": 31337, "CLIP_stop_at_last_layers": 2}
    found = info(answer)
    assert (found["prompt"], found["negative_prompt"], found["steps"], found["seed"], found["width"]) == ("a dog", "blurry", 5, 3, 24)
    assert (found["sampler_name"], found["cfg_scale"], found["clip_skip"]) == ("Euler a", 5.5, 2)


def test_styles_and_overrides_count_for_this_request_alone(client: TestClient):
    answer = client.post("/sdapi/v1/txt2img", json={**SMALL, "styles": ["Cinematic"], "override_settings": {"sd_model_checkpoint": "second.safetensors"}})
    assert info(answer)["prompt"] == "cinematic still, a cat, film grain"
    assert info(answer)["styles"] == ["Cinematic"]
    assert info(answer)["sd_model_name"] == "second"
    assert info(client.post("/sdapi/v1/txt2img", json=SMALL))["sd_model_name"] == "tiny"


def test_a_task_keeps_the_name_that_the_client_gives(client: TestClient, service: GenerationService):
    client.post("/sdapi/v1/txt2img", json={**SMALL, "force_task_id": "mine"})
    assert service.task("mine") is not None


def test_fields_that_are_not_a1111s_are_ignored_and_logged(client: TestClient, caplog):
    caplog.set_level("INFO")
    assert client.post("/sdapi/v1/txt2img", json={**SMALL, "foo": 1}).status_code == 200
    assert "foo" in caplog.text


# ---- what is refused


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"sampler_name": "NoSuch"}, 422, "Unknown sampler 'NoSuch'. Known: DPM++ 2M"),
        ({"scheduler": "NoSuch"}, 422, "NoSuch"),
        ({"steps": 0}, 422, "steps cannot be 0"),
        ({"width": 0}, 422, "Width cannot be 0"),
        ({"override_settings": {"nosuch": 1}}, 404, "nosuch"),
        ({"override_settings": {"sd_model_checkpoint": "nosuch"}}, 404, "nosuch"),
        ({"enable_hr": True, "hr_upscaler": "NoSuch"}, 404, "Unknown upscaler 'NoSuch'"),
        ({"refiner_checkpoint": "nosuch", "refiner_switch_at": 0.5}, 404, "Unknown checkpoint 'nosuch'"),
        ({"firstpass_image": "iVBOR"}, 422, "Invalid encoded image"),
        ({"restore_faces": True}, 404, "Faces cannot be restored. CodeFormer needs"),
        ({"prompt": "missing"}, 404, "ink.safetensors is gone."),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_sentence(client: TestClient, caplog, fields: dict, status: int, text: str):
    answer = client.post("/sdapi/v1/txt2img", json={**SMALL, **fields})
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "detail", "body", "errors"}
    assert text in answer.json()["detail"]


@pytest.mark.parametrize("fields", [{"script_name": "nosuch"}, {"alwayson_scripts": {"nosuch": {"args": []}}}])
def test_unknown_scripts_are_refused_in_a1111s_words(client: TestClient, fields: dict):
    answer = client.post("/sdapi/v1/txt2img", json={**SMALL, **fields})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("Script 'nosuch' not found")


@pytest.mark.parametrize(("field", "value"), [("steps", "many"), ("styles", "x")])
def test_a_wrong_type_is_answered_with_its_place(client: TestClient, field: str, value: object):
    answer = client.post("/sdapi/v1/txt2img", json={**SMALL, field: value})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", field]


def test_an_engine_that_fails_is_a_500_with_a_sentence(client: TestClient, caplog):
    answer = client.post("/sdapi/v1/txt2img", json={**SMALL, "prompt": "memory"})
    assert answer.status_code == 500
    assert "Not enough memory" in answer.json()["errors"]


# ---- progress


IDLE = {"skipped", "interrupted", "stopping_generation", "job", "job_count", "job_timestamp", "job_no", "sampling_step", "sampling_steps"}


def test_progress_of_nothing_has_a1111s_form(client: TestClient):
    for _ in range(2):
        answer = client.get("/sdapi/v1/progress").json()
        assert list(answer) == ["progress", "eta_relative", "state", "current_image", "textinfo"]
        assert (answer["progress"], answer["eta_relative"], answer["current_image"], answer["textinfo"]) == (0.0, 0.0, None, None)
        assert set(answer["state"]) == IDLE
        assert (answer["state"]["job"], answer["state"]["job_count"]) == ("", 0)
        client.post("/sdapi/v1/txt2img", json=SMALL)


def test_many_waiting_requests_leave_progress_and_interrupt_answering(service: GenerationService):
    service.settings.update({"show_progress_every_n_steps": 1})

    async def scene() -> None:
        transport = httpx.ASGITransport(app=app.build(service, parse_flags(["--nowebui"])))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=HERE, timeout=30) as client:
            waiting = [asyncio.create_task(client.post("/sdapi/v1/txt2img", json={**SMALL, "prompt": "hang", "n_iter": 2})) for _ in range(60)]
            while len(service.tasks()) < 60 or service.current() is None:
                await asyncio.sleep(0.002)
            running = service.current()
            assert running is not None
            await asyncio.to_thread(stepping, running)
            while running.preview is None:
                await asyncio.sleep(0.002)
            answer = (await client.get("/sdapi/v1/progress")).json()
            assert 0 < answer["progress"] < 1
            assert (answer["state"]["job"], answer["state"]["job_count"], answer["state"]["sampling_step"]) == ("Batch 1 out of 2", 2, 1)
            assert Image.open(io.BytesIO(base64.b64decode(answer["current_image"]))).format == "PNG"
            assert (await client.get("/sdapi/v1/progress?skip_current_image=true")).json()["current_image"] is None
            assert (await client.get("/sdapi/v1/sd-models")).status_code == 200
            assert (await client.post("/sdapi/v1/skip")).json() is None
            assert (await client.post("/sdapi/v1/interrupt")).json() == {}
            await asyncio.to_thread(service.close)
            statuses = [answer.status_code for answer in await asyncio.gather(*waiting)]
            begun = 1 + (statuses.count(200) == 2)  # the second may have had its turn before the end
            assert sorted(statuses) == [200] * begun + [503] * (60 - begun)

    asyncio.run(scene())


# ---- lists


def test_checkpoints_vaes_and_loras_are_listed_as_in_a1111(client: TestClient, tmp_path: Path):
    first, second = sorted(client.get("/sdapi/v1/sd-models").json(), key=lambda item: item["title"], reverse=True)
    assert list(first) == ["title", "model_name", "hash", "sha256", "filename", "config"]
    assert (first["title"], first["model_name"], first["hash"], first["config"]) == ("tiny.safetensors", "tiny", None, None)
    assert second["model_name"] == "other_second"
    assert first["filename"] == str(tmp_path / "models/Stable-diffusion/tiny.safetensors")
    assert client.get("/sdapi/v1/sd-vae").json() == [{"model_name": "bright.safetensors", "filename": str(tmp_path / "models/VAE/bright.safetensors")}]
    (lora,) = client.get("/sdapi/v1/loras").json()
    assert lora == {
        "name": "ink",
        "alias": "indian-ink",
        "path": str(tmp_path / "models/Lora/ink.safetensors"),
        "metadata": {"ss_output_name": "indian-ink", "ss_tag_frequency": {"10_cat": {"cat": 10}}, "ss_v2": "False"},
    }


def test_a_checkpoint_has_its_hash_once_it_was_used(client: TestClient):
    client.post("/sdapi/v1/txt2img", json={**SMALL, "override_settings": {"sd_model_checkpoint": "tiny"}})
    item = next(item for item in client.get("/sdapi/v1/sd-models").json() if item["model_name"] == "tiny")
    assert item["title"] == f"tiny.safetensors [{item['hash']}]"
    assert item["sha256"].startswith(item["hash"])


def test_names_to_choose_from(client: TestClient):
    samplers = {item["name"]: item for item in client.get("/sdapi/v1/samplers").json()}
    assert samplers["Euler a"] == {"name": "Euler a", "aliases": ["k_euler_a", "k_euler_ancestral"], "options": {"uses_ensd": "True"}}
    schedulers = {item["name"]: item for item in client.get("/sdapi/v1/schedulers").json()}
    assert schedulers["karras"] == {"name": "karras", "label": "Karras", "aliases": None, "default_rho": 7.0, "need_inner_model": False}
    assert client.get("/sdapi/v1/prompt-styles").json() == [
        {"name": "Cinematic", "prompt": "cinematic still, {prompt}, film grain", "negative_prompt": "cartoon"}
    ]


def test_refresh_finds_new_files(client: TestClient, tmp_path: Path):
    lora = tmp_path / "models/Lora/ink.safetensors"
    (lora.parent / "new.safetensors").write_bytes(lora.read_bytes())
    assert client.post("/sdapi/v1/refresh-loras").json() is None
    assert [item["name"] for item in client.get("/sdapi/v1/loras").json()] == ["ink", "new"]
    for name in ("checkpoints", "vae", "embeddings"):
        assert client.post(f"/sdapi/v1/refresh-{name}").status_code == 200


def test_the_engine_tells_its_memory_and_embeddings(client: TestClient):
    assert client.get("/sdapi/v1/memory").json() == {"ram": {"free": 2.0, "used": 1, "total": 3.0}, "cuda": {"error": "unavailable"}}
    item = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "shape": 768, "vectors": 2}
    assert client.get("/sdapi/v1/embeddings").json() == {"loaded": {"ink": item}, "skipped": {}}


def test_ping(client: TestClient):
    assert client.get("/internal/ping").json() == {}


# ---- options and flags


def test_options_are_read_and_written(client: TestClient, service: GenerationService):
    assert client.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 2}).json() is None
    assert client.get("/sdapi/v1/options").json()["CLIP_stop_at_last_layers"] == 2
    assert service.settings.current["CLIP_stop_at_last_layers"] == 2


def test_all_options_can_be_written_back(client: TestClient):
    options = client.get("/sdapi/v1/options").json()
    assert client.post("/sdapi/v1/options", json=options).status_code == 200
    assert client.get("/sdapi/v1/options").json() == options


def test_a_checkpoint_is_chosen_by_any_of_its_names(client: TestClient):
    assert client.get("/sdapi/v1/options").json()["sd_model_checkpoint"]
    client.post("/sdapi/v1/options", json={"sd_model_checkpoint": "second"})
    assert client.get("/sdapi/v1/options").json()["sd_model_checkpoint"].startswith("other/second.safetensors")
    assert info(client.post("/sdapi/v1/txt2img", json=SMALL))["sd_model_name"] == "second"


@pytest.mark.parametrize(
    ("values", "status", "text"),
    [({"sd_model_checkpoint": "nosuch"}, 404, "Checkpoint 'nosuch' not found"), ({"emphasis": "Loud"}, 422, "Original")],
)
def test_a_bad_option_is_refused_and_nothing_changes(client: TestClient, values: dict, status: int, text: str):
    before = client.get("/sdapi/v1/options").json()
    answer = client.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 3, **values})
    assert answer.status_code == status
    assert text in answer.json()["errors"]
    assert client.get("/sdapi/v1/options").json() == before


def test_cmd_flags_tell_no_passwords(start):
    client = start("--api-auth", "ann:secret", "--gradio-auth", "bob:hidden", "--no-half")
    flags = client.get("/sdapi/v1/cmd-flags", auth=("ann", "secret")).json()
    assert flags["no_half"] is True
    assert (flags["api_auth"], flags["gradio_auth"], flags["ngrok"]) == ("***", "***", None)


# ---- who may come in


@pytest.mark.parametrize("flag", ["--api-auth", "--gradio-auth"])
def test_the_api_asks_for_name_and_password(start, flag: str):
    client = start(flag, "ann:se:cret, bob:b")
    assert client.get("/sdapi/v1/samplers").status_code == 401
    wrong = client.get("/sdapi/v1/samplers", auth=("ann", "b"))
    assert (wrong.status_code, wrong.headers["www-authenticate"], wrong.json()["detail"]) == (401, "Basic", "Incorrect username or password")
    assert client.get("/sdapi/v1/samplers", auth=("nobody", "")).status_code == 401
    assert client.get("/sdapi/v1/samplers", auth=("ann", "se:cret")).status_code == 200
    assert client.get("/sdapi/v1/samplers", auth=("bob", "b")).status_code == 200


def test_a_page_elsewhere_cannot_draw(client: TestClient):
    assert client.post("/sdapi/v1/txt2img", json=SMALL, headers={"origin": "https://evil.example"}).status_code == 403


def test_a_friendly_origin_is_answered_with_cors_headers(start):
    client = start("--cors-allow-origins", "https://friend.example")
    asked = {"origin": "https://friend.example", "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    answer = client.options("/sdapi/v1/txt2img", headers=asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://friend.example")


# ---- when the API is there


@pytest.mark.parametrize(
    ("flags", "served"),
    [([], True), (["--listen"], False), (["--listen", "--api"], True), (["--nowebui", "--listen"], True), (["--server-name", "10.0.0.1"], False)],
)
def test_other_machines_get_the_api_only_if_asked_for(flags: list[str], served: bool):
    assert app.api_is_served(parse_flags(flags)) is served


@pytest.mark.parametrize("body", ['{"width": NaN}', '{"cfg_scale": Infinity}', '{"script_args": [NaN]}', '{"prompt": "\\ud800"}', '{"steps": 1e999}', "{"])
def test_a_body_that_is_no_json_is_a_422(client: TestClient, body: str):
    answer = client.post("/sdapi/v1/txt2img", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, bool(answer.json()["detail"])) == (422, True)


def test_visitors_without_a_password_choose_the_model_and_not_the_folders(tmp_path: Path):
    service = open_service(tmp_path, sd_model_checkpoint="tiny.safetensors")
    service.exposure = Exposure(open=True, changes=False)
    try:
        visitors, known = (TestClient(app.build(service, parse_flags(flags)), base_url=HERE) for flags in (["--nowebui"], ["--nowebui", "--api-auth", "a:b"]))
        assert visitors.post("/sdapi/v1/options", json={"CLIP_stop_at_last_layers": 2}).status_code == 200
        outside = {"outdir_samples": str(tmp_path / "elsewhere")}
        assert visitors.post("/sdapi/v1/options", json=outside).status_code == 403
        assert visitors.post("/sdapi/v1/txt2img", json={**SMALL, "save_images": True, "override_settings": outside}).status_code == 403
        assert not (tmp_path / "elsewhere").exists() and service.settings.current["outdir_samples"] == ""
        assert known.post("/sdapi/v1/options", json=outside, auth=("a", "b")).status_code == 200
    finally:
        service.close()
