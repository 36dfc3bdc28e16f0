"""What goes wrong around a picture: clear words, nothing else lost, the next request served."""

import asyncio
import base64
import errno
import io
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import app
from backend.errors import EngineFailed, WebUIError
from backend.flags import parse_flags
from backend.job import GeneratedImage, GenerateJob
from backend.service import GenerationService
from backend.tasks import Task
from backend.workers.local import LocalWorker
from tests.backend.stage import open_service
from tests.backend.test_service import stepping, until
from tests.backend.workers.fake_engine import FakeEngine, colour
from tests.serving import serve

HERE = "http://127.0.0.1:7860"
SMALL = {"prompt": "a cat", "width": 16, "height": 8, "steps": 2, "seed": 7, "save_images": True}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path, sd_model_checkpoint="tiny.safetensors")
    yield service
    service.close()


@pytest.fixture
def client(service: GenerationService) -> TestClient:
    return TestClient(app.build(service, parse_flags(["--nowebui"])), base_url=f"{HERE}/sdapi/v1/")


def pictures(answer: Any) -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in answer.json()["images"]]


def files(folder: Path) -> set[Path]:
    """With those that a broken-off saving might leave."""
    return {path for path in (folder / "outputs").rglob("*") if path.is_file()}


# ---- the disk


def failing(code: int) -> Callable[..., Any]:
    def fail(*given: object, **more: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(("where", "code"), [("os.fsync", errno.ENOSPC), ("pathlib.Path.mkdir", errno.EROFS), ("pathlib.Path.open", errno.EACCES)])
@pytest.mark.parametrize("fields", [{}, {"batch_size": 2}])
def test_a_picture_that_cannot_be_saved_is_answered_with_the_reason(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog, where: str, code: int, fields: dict
):
    client.post("txt2img", json=SMALL)
    before = files(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(where, failing(code))
        answer = client.post("txt2img", json={**SMALL, **fields})
    assert answer.status_code == 200
    assert pictures(answer)[-1].getpixel((0, 0)) == colour(7 + fields.get("batch_size", 1) - 1)
    assert any(os.strerror(code) in comment for comment in json.loads(answer.json()["info"])["comments"])
    assert files(tmp_path) == before
    assert client.post("txt2img", json=SMALL).status_code == 200
    assert len(files(tmp_path)) == len(before) + 1


def test_a_picture_deleted_before_it_was_answered_is_a_404_with_a_sentence(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    finish = Task.finish

    def lose(task: Task, failure: WebUIError | None = None) -> None:
        task.forget_pixels()
        if task.images and task.images[0].path:
            task.images[0].path.unlink()
        finish(task, failure)

    with monkeypatch.context() as broken:
        broken.setattr(Task, "finish", lose)
        answer = client.post("txt2img", json=SMALL)
    assert (answer.status_code, "deleted or moved" in answer.json()["detail"]) == (404, True)
    assert client.post("txt2img", json=SMALL).status_code == 200


def test_settings_that_cannot_be_written_stay_as_they_were(client: TestClient, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", failing(errno.ENOSPC))
        answer = client.post("options", json={"CLIP_stop_at_last_layers": 2})
    assert (answer.status_code, os.strerror(errno.ENOSPC) in answer.json()["detail"]) == (422, True)
    assert client.get("options").json()["CLIP_stop_at_last_layers"] == 1


# ---- the client


def gone(service: GenerationService, fields: dict) -> None:
    """A client asks, and leaves while its picture is drawn; the picture comes to an end afterwards."""
    with serve(app.build(service, parse_flags(["--nowebui"]))) as url:
        connection = HTTPConnection(url.partition("://")[2])
        body = json.dumps({**SMALL, "prompt": "hang", **fields})
        connection.request("POST", "/sdapi/v1/txt2img", body, {"content-type": "application/json"})
        until(lambda: bool(service.tasks()))
        (task,) = service.tasks()
        stepping(task)
        connection.close()
        httpx.get(f"{url}/internal/ping")  # the server has seen by now that the other connection is closed
        service.interrupt()
        task.wait(20)
        until(lambda: all(image.pixels is None for image in task.images))  # the answer is made


@pytest.mark.parametrize("save_images", [True, False])
def test_a_client_that_goes_away_does_not_lose_its_picture(service: GenerationService, tmp_path: Path, save_images: bool):
    service.settings.update({"save_incomplete_images": True})
    gone(service, {"save_images": save_images})
    (file,) = files(tmp_path)
    assert Image.open(file).getpixel((0, 0)) == colour(7)


def test_where_pictures_are_not_saved_those_of_a_client_that_is_gone_are_not_either(service: GenerationService, tmp_path: Path):
    service.settings.update({"save_incomplete_images": True, "samples_save": False})
    gone(service, {"save_images": False})
    assert files(tmp_path) == set()


def test_twenty_requests_at_once_are_drawn_in_order_and_each_gets_its_own_picture(service: GenerationService):
    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app.build(service, parse_flags(["--nowebui"])))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url=HERE, timeout=60) as client:
            return await asyncio.gather(*(client.post("/sdapi/v1/txt2img", json={**SMALL, "seed": seed}) for seed in range(20)))

    answers = asyncio.run(ask())
    assert [picture.getpixel((0, 0)) for answer in answers for picture in pictures(answer)] == [colour(seed) for seed in range(20)]
    tasks = service.tasks()
    begun = [task.started for task in tasks]
    assert [task.request.seed.seed for task in tasks] == list(range(20))
    assert begun == sorted(begun)  # type: ignore[type-var]


# ---- pictures that are none


def png(width: int, height: int, data: bytes) -> bytes:
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks)


NO_PICTURES = {
    "no base64": "!!!not base64!!!",
    "nothing": "",
    "text": base64.b64encode(b"hello").decode(),
    "a bomb": base64.b64encode(png(60_000, 60_000, zlib.compress(bytes(1000)))).decode(),
    "cut off": base64.b64encode(png(64, 64, zlib.compress(bytes(64 * 193))[:20])).decode(),
    "an address": "https://picture.example/a.png",
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_refused_with_a_sentence(client: TestClient, service: GenerationService, name: str):
    text = NO_PICTURES[name]
    bodies = {
        "png-info": {"image": text},
        "extra-single-image": {"image": text, "upscaler_1": "Lanczos"},
        "extra-batch-images": {"imageList": [{"data": text, "name": "a"}], "upscaler_1": "Lanczos"},
        "img2img": {**SMALL, "init_images": [text]},
    }
    for route, body in bodies.items():
        answer = client.post(route, json=body)
        assert (answer.status_code, len(answer.json()["detail"]) > 20) == (422, True), route
    assert service.tasks() == ()


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(client: TestClient):
    for width, height in ((9_450, 9_450), (12_000, 8_000), (60_000, 60_000)):  # the first is below what Pillow itself warns of
        answer = client.post("png-info", json={"image": base64.b64encode(png(width, height, b"no pixels at all")).decode()})
        assert (answer.status_code, answer.json()["detail"]) == (422, "This picture is too large: up to 89 megapixels are read.")


# ---- an engine that dies


class DiesOnce(FakeEngine):
    def generate(self, job: GenerateJob, *how: Any) -> tuple[GeneratedImage, ...]:
        if len(self.jobs) == 1:
            self.jobs.append(job)
            raise EngineFailed("The engine was killed.")
        return super().generate(job, *how)


@pytest.mark.parametrize("wanted", [True, False])
def test_what_was_drawn_before_the_engine_died_is_kept_where_pictures_are_kept(tmp_path: Path, wanted: bool):
    service = open_service(tmp_path, LocalWorker(DiesOnce()), sd_model_checkpoint="tiny.safetensors", samples_save=wanted)
    client = TestClient(app.build(service, parse_flags(["--nowebui"])), base_url=f"{HERE}/sdapi/v1/")
    try:
        answer = client.post("txt2img", json={**SMALL, "save_images": False, "n_iter": 3})
        assert (answer.status_code, answer.json()["detail"]) == (500, "The engine was killed.")
        assert len([file for file in files(tmp_path) if file.suffix == ".png"]) == int(wanted)
        assert client.post("txt2img", json=SMALL).status_code == 200
    finally:
        service.close()
