from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from backend.exposure import Exposure
from backend.service import GenerationService
from tests.backend.stage import open_service
from ui.routes import build_routes

CLIENT, BATCH = "a" * 32, "b" * 32


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path)
    yield service
    service.close()


@pytest.mark.parametrize("name", ["x.exe", ".png", "..%5Cx.png", "a%0Ab.png", "x" * 200 + ".png"])
def test_what_is_no_name_of_a_picture_is_not_written(http: TestClient, tmp_path: Path, name: str) -> None:
    answer = http.put(f"/internal/extras/{BATCH}/0/{name}", content=b"x")
    assert (answer.status_code, "is no name of a picture" in answer.json()["detail"]) == (422, True)
    assert not list((tmp_path / "cache/extras").rglob("*.*"))


def test_a_path_is_no_name(http: TestClient, tmp_path: Path) -> None:
    assert http.put(f"/internal/extras/{BATCH}/0/..%2F..%2Fx.png", content=b"x").status_code in (404, 422)
    assert http.put("/internal/extras/../0/x.png", content=b"x").status_code in (404, 405, 422)
    assert http.put(f"/internal/extras/{'.' * 32}/0/x.png", content=b"x").status_code == 422
    assert not list(tmp_path.rglob("x.png"))


def test_too_many_pictures_are_refused(http: TestClient) -> None:
    assert "at most" in http.put(f"/internal/extras/{BATCH}/1000/x.png", content=b"x").json()["detail"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"client": "x", "mode": "single"}, "has lost its id"),
        ({"client": CLIENT, "mode": "folder"}, "Name the input directory."),
        ({"client": CLIENT, "mode": "single", "batch": "../x"}, "has lost its id"),
    ],
)
def test_what_is_wrong_is_said(http: TestClient, asked: dict[str, str], sentence: str) -> None:
    assert sentence in http.post("/internal/extras", json=asked).json()["detail"]


def test_pictures_of_the_last_run_are_gone(tmp_path: Path) -> None:
    left = tmp_path / "cache/extras" / BATCH / "00000/x.png"
    left.parent.mkdir(parents=True)
    left.touch()
    service = open_service(tmp_path)
    build_routes(service)
    service.close()
    assert not left.exists()


def test_visitors_without_a_password_name_no_folders(http: TestClient, service: GenerationService, tmp_path: Path) -> None:
    service.exposure = Exposure(open=True, changes=False)
    asked = {"client": CLIENT, "mode": "folder", "values": {"input_folder": "outputs", "output_folder": "models"}}
    answer = http.post("/internal/extras", json=asked)
    assert (answer.status_code, "--gradio-auth" in answer.json()["detail"], service.tasks()) == (403, True, ())
