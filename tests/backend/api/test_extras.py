import base64
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import app
from backend.flags import parse_flags
from backend.service import GenerationService
from tests.backend.stage import open_service, write_safetensors

ONE, MANY = "/sdapi/v1/extra-single-image", "/sdapi/v1/extra-batch-images"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    write_safetensors(tmp_path / "models/RealESRGAN/RealESRGAN_x2plus.safetensors")
    service: GenerationService = open_service(tmp_path)
    yield TestClient(app.build(service, parse_flags(["--nowebui"])), base_url="http://127.0.0.1:7860")
    service.close()


def sent(color: tuple[int, int, int] = (9, 8, 7), parameters: str = "") -> str:
    info, data = PngInfo(), io.BytesIO()
    if parameters:
        info.add_text("parameters", parameters)
    Image.new("RGB", (16, 8), color).save(data, "PNG", pnginfo=info)
    return base64.b64encode(data.getvalue()).decode()


def received(text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(text)))


def test_one_picture_comes_back_larger_with_what_it_said(client: TestClient, tmp_path: Path):
    answer = client.post(ONE, json={"image": sent(parameters="a cat\nSteps: 1"), "upscaler_1": "Lanczos"}).json()
    image = received(answer["image"])
    assert (set(answer), answer["html_info"], image.size) == ({"html_info", "image"}, "<p>Upscale: yes</p>", (32, 16))
    assert image.info == {"parameters": "a cat\nSteps: 1", "postprocessing": "Upscale: yes"}
    assert not list((tmp_path / "outputs").rglob("*.png"))


def test_several_pictures_come_back_in_their_order(client: TestClient):
    files = [{"data": sent((red, 0, 0)), "name": "a.png"} for red in (10, 20, 30)]
    answer = client.post(MANY, json={"imageList": files, "upscaler_1": "Nearest"}).json()
    assert [received(image).getpixel((0, 0)) for image in answer["images"]] == [(10, 0, 0), (20, 0, 0), (30, 0, 0)]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"image": "xyz!"}, "not base64"),
        ({"image": ""}, "there is none"),
        ({"image": base64.b64encode(b"no picture").decode()}, "no picture that can be read"),
        ({"image": sent(), "upscaler_1": "NoSuch"}, "Unknown upscaler 'NoSuch'. Known: None, Lanczos, Nearest"),
        ({"image": sent(), "gfpgan_visibility": 1}, "GFPGAN needs GFPGANv1.4.pth in models/GFPGAN and detection_Resnet50_Final.pth in models/GFPGAN"),
        ({"image": sent(), "codeformer_visibility": 1}, "forbids commercial use"),
    ],
)
def test_what_cannot_be_done_is_said(client: TestClient, body: dict, sentence: str):
    answer = client.post(ONE, json=body)
    assert answer.status_code in (404, 422)
    assert sentence in answer.json()["detail"]


def test_upscalers_have_a1111s_names_and_scales(client: TestClient, tmp_path: Path):
    listed = client.get("/sdapi/v1/upscalers").json()
    file = str(tmp_path / "models/RealESRGAN/RealESRGAN_x2plus.safetensors")
    assert [(each["name"], each["scale"]) for each in listed] == [("None", 4.0), ("Lanczos", 4.0), ("Nearest", 4.0), ("R-ESRGAN 2x+", 2.0)]
    assert listed[3] == {"name": "R-ESRGAN 2x+", "model_name": "RealESRGAN_x2plus", "model_path": file, "model_url": None, "scale": 2.0}
    assert client.get("/sdapi/v1/realesrgan-models").json() == [{"name": "R-ESRGAN 2x+", "path": file, "scale": 2}]


def test_face_restorers_are_those_whose_files_are_there(client: TestClient, tmp_path: Path):
    assert client.get("/sdapi/v1/face-restorers").json() == []
    for name in ("GFPGANv1.4.pth", "detection_Resnet50_Final.pth"):
        (tmp_path / "models/GFPGAN" / name).touch()
    assert client.get("/sdapi/v1/face-restorers").json() == [{"name": "GFPGAN", "cmd_dir": None}]


def test_png_info_tells_all_labels_and_a1111s_values_for_the_others(client: TestClient):
    text = "a (cat)\nNegative prompt: dog\nSteps: 8, Sampler: Euler, Size: 64x32, Seed: 1"
    answer = client.post("/sdapi/v1/png-info", json={"image": f"data:image/png;base64,{sent(parameters=text)}"}).json()
    assert (answer["info"], answer["items"]) == (text, {})
    parameters = answer["parameters"]
    assert (parameters["Prompt"], parameters["Size-2"], parameters["Steps"], parameters["Emphasis"]) == ("a (cat)", "32", "8", "Original")
    assert (parameters["Hires sampler"], parameters["Masked area padding"], parameters["Schedule type"]) == ("Use same sampler", 32, "Automatic")


def test_png_info_of_a_picture_without_parameters_is_empty(client: TestClient):
    answer = client.post("/sdapi/v1/png-info", json={"image": sent()}).json()
    assert (answer["info"], answer["parameters"]["Prompt"]) == ("", "")
