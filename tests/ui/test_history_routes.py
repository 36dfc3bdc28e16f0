"""The history's routes over a real service."""

import random
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from backend.exposure import Exposure
from backend.images.metadata import Encoding, encode, read_infotext
from backend.service import GenerationService
from tests.backend.stage import open_service
from ui.routes import build_routes

HISTORY = "/internal/history"
EVIL = "<img src=x onerror=alert(1)> ${7*7} a & b? #1.png"
TEXT = "<b>cat</b> ${alert(1)} <lora:ink:1>\nSteps: 4, Sampler: Euler, Seed: 77, Size: 16x8, Model: tiny"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path)
    for number, name in enumerate((EVIL, "2.jpg", "3.webp")):
        path = tmp_path / "outputs/txt2img-images" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(Image.new("RGB", (160, 80), "red"), TEXT, Encoding(format=name.rpartition(".")[2])))
        (path.parent / f"{number}.txt").write_text("beside")
    yield service
    service.close()


@pytest.fixture
def http(service: GenerationService) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(build_routes(service))
    with TestClient(app) as client:
        end = time.monotonic() + 20
        client.get(HISTORY)
        while client.get(f"{HISTORY}/state").json()["unread"] or not all(one["read"] for one in client.get(HISTORY).json()["pictures"]):
            assert time.monotonic() < end
            time.sleep(0.01)
        yield client


def test_a_page_tells_pictures_numbers_and_choices(http: TestClient):
    told = http.get(HISTORY, params={"search": "cat", "start": 0, "count": 2}).json()
    assert (told["total"], told["found"], told["unread"], len(told["pictures"])) == (3, 3, 0, 2)
    assert told["loras"] == [["ink", 3]] and told["models"] == [["tiny", 3]] and told["folders"] == [["outputs/txt2img-images", 3]]
    assert sum(number for _, number in told["groups"]) == sum(number for _, number in told["days"]) == 3
    assert told["pictures"][0]["prompt"] == "<b>cat</b> ${alert(1)} <lora:ink:1>" and told["pictures"][0]["width"] == 160
    assert http.get(HISTORY, params={"lora": "other"}).json()["pictures"] == []


def test_the_picture_is_the_file_with_a_media_type_of_ours(http: TestClient, service: GenerationService):
    for one in http.get(HISTORY).json()["pictures"]:
        answer = http.get(f"{HISTORY}/picture/{quote(one['name'])}", params={"v": one["version"]})
        assert answer.headers["content-type"] in ("image/png", "image/jpeg", "image/webp") and "immutable" in answer.headers["cache-control"]
        assert answer.content == service.history.file(one["name"]).read_bytes() and read_infotext(answer.content) == TEXT
        small = http.get(f"{HISTORY}/thumbnail/{quote(one['name'])}")
        assert (small.headers["content-type"], small.headers["cache-control"]) == ("image/webp", "no-store")
        about = http.get(f"{HISTORY}/about/{quote(one['name'])}").json()
        assert about["infotext"] == TEXT and about["hashes"] == {"ink": ""}


def test_the_state_is_told_only_when_it_changed(http: TestClient):
    state = http.get(f"{HISTORY}/state").json()
    assert http.get(f"{HISTORY}/state", params={"revision": state["revision"]}).status_code == 204
    assert http.delete(f"{HISTORY}/picture/outputs/txt2img-images/2.jpg").json()["total"] == 2
    assert http.get(f"{HISTORY}/state", params={"revision": state["revision"]}).json()["revision"] > state["revision"]
    assert http.get(f"{HISTORY}/picture/outputs/txt2img-images/2.jpg").status_code == 404


def test_visitors_without_a_password_delete_nothing(http: TestClient, service: GenerationService):
    service.exposure = Exposure(open=True, changes=False)
    answer = http.delete(f"{HISTORY}/picture/outputs/txt2img-images/2.jpg")
    assert answer.status_code == 403 and "delete pictures" in answer.json()["detail"]
    assert service.history.file("outputs/txt2img-images/2.jpg").is_file()


def test_no_name_leads_to_another_file(http: TestClient, service: GenerationService, tmp_path: Path):
    draw = random.Random(7)
    parts = ["..", ".", "%2e%2e", "%252e", "outputs", "txt2img-images", "0.txt", "config.json", "models", "%2F", "%5C", "%00", "etc", "passwd", "~", "2.jpg%00"]
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for _ in range(300):
        name = "/".join(draw.choices(parts, k=draw.randint(1, 6)))
        for method, what in (("GET", "picture"), ("GET", "thumbnail"), ("GET", "about"), ("DELETE", "picture")):
            answer = http.request(method, f"{HISTORY}/{what}/{name}")
            inside = answer.request.url.path.startswith(f"{HISTORY}/{what}/")  # the client itself takes some dots away
            assert not inside or answer.status_code in (404, 405), name
    assert all(path.read_bytes() == data for path, data in files.items())


@pytest.mark.parametrize("asked", [{"start": -1}, {"count": 100_000}, {"search": "x" * 2000}, {"start": "many"}])
def test_what_makes_no_sense_is_refused(http: TestClient, asked: dict[str, object]):
    assert http.get(HISTORY, params=asked).status_code == 422  # type: ignore[arg-type]
