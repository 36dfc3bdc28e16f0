import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

import app
from backend.flags import parse_flags
from backend.service import GenerationService
from tests.backend.api.test_api import HERE, SMALL
from tests.backend.stage import open_service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path, sd_model_checkpoint="tiny.safetensors")
    yield service
    service.close()


@pytest.fixture
def client(service: GenerationService) -> TestClient:
    return TestClient(app.build(service, parse_flags(["--nowebui"])), base_url=HERE)


def picture(color: str = "red", size: tuple[int, int] = (16, 16), mode: str = "RGB") -> str:
    data = io.BytesIO()
    Image.new(mode, size, color).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def test_a_picture_starts_from_another(client: TestClient, service: GenerationService):
    body = {**SMALL, "init_images": [f"data:image/png;base64,{picture()}"], "denoising_strength": 0.4, "mask": picture("white", mode="L"), "force_task_id": "i"}
    answer = client.post("/sdapi/v1/img2img", json=body)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["images"]) == 1
    info = json.loads(answer.json()["info"])
    assert info["denoising_strength"] == 0.4
    assert info["extra_generation_params"]["Inpaint area"] == "Only masked"
    assert "Denoising strength: 0.4" in info["infotexts"][0]
    task = service.task("i")
    assert task is not None and task.request.init is not None and task.request.init.inpaint is not None
    assert task.request.init.images[0].getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("include", [False, True])
def test_pictures_come_back_only_where_asked_for(client: TestClient, include: bool):
    answer = client.post("/sdapi/v1/img2img", json={**SMALL, "init_images": [picture()], "include_init_images": include}).json()
    assert answer["parameters"]["init_images"] == ([picture()] if include else None)


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({}, 404, "Init image not found"),
        ({"init_images": []}, 404, "Init image not found"),
        ({"init_images": ["xyz"]}, 422, "Invalid encoded image"),
        ({"init_images": [base64.b64encode(b"no picture").decode()]}, 422, "picture"),
        ({"init_images": [picture()], "mask": "?"}, 422, "Invalid encoded image"),
        ({"init_images": [picture()], "denoising_strength": 2}, 422, "Denoising strength cannot be 2"),
        ({"init_images": [picture()] * 2}, 422, "need a batch size of 2"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_sentence(client: TestClient, caplog, fields: dict, status: int, text: str):
    answer = client.post("/sdapi/v1/img2img", json={**SMALL, **fields})
    assert answer.status_code == status
    assert text in answer.json()["detail"]


def test_pictures_of_img2img_have_folders_of_their_own(client: TestClient, service: GenerationService):
    body = {**SMALL, "init_images": [picture()], "save_images": True, "override_settings": {"save_init_img": True}}
    assert client.post("/sdapi/v1/img2img", json=body).status_code == 200
    outputs = service.paths.data / "outputs"
    assert len(list((outputs / "img2img-images").rglob("*.png"))) == 1
    assert len(list((outputs / "init-images").glob("*.png"))) == 1
