"""What is not drawing: lists, refusals, the program itself, its description."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import app
from backend.flags import parse_flags
from backend.service import GenerationService
from backend.workers.local import LocalWorker
from tests.backend.stage import open_service
from tests.backend.workers.fake_engine import FakeEngine

HERE = "http://127.0.0.1:7860"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    service = open_service(tmp_path, LocalWorker(engine), sd_model_checkpoint="tiny.safetensors")
    yield service
    service.close()


@pytest.fixture
def stopped() -> list[bool]:
    return []


@pytest.fixture
def client(service: GenerationService, stopped: list[bool]) -> Callable[..., TestClient]:
    return lambda *flags: TestClient(app.build(service, parse_flags(["--nowebui", *flags]), stopped.append), base_url=HERE)


def test_captioning_and_training_say_that_they_are_not_there(client):
    api = client()
    assert api.post("/sdapi/v1/interrogate", json={"image": "", "model": "clip"}).status_code == 404
    assert "clip" in api.post("/sdapi/v1/interrogate", json={"image": "x", "model": "clip"}).json()["detail"]
    for path in ("create/embedding", "create/hypernetwork", "train/embedding", "train/hypernetwork"):
        answer = api.post(f"/sdapi/v1/{path}", json={"name": "x"})
        assert (answer.status_code, "trainer" in answer.json()["detail"]) == (404, True)


def test_lists_of_what_there_is_none_of_are_empty(client):
    api = client()
    assert [api.get(f"/sdapi/v1/{name}").json() for name in ("hypernetworks", "extensions")] == [[], []]


def test_the_server_stops_only_where_the_flag_allows_it(client, stopped):
    assert client().post("/sdapi/v1/server-kill").status_code == 404
    api = client("--api-server-stop")
    assert [api.post(f"/sdapi/v1/server-{name}").status_code for name in ("kill", "stop", "restart")] == [200] * 3
    assert stopped == [False, False, True]


def test_sysinfo_and_flags_hold_no_password(client):
    api = client("--api-auth", "ann:s3cret", "--gradio-auth", "bob:hidd3n")
    for path in ("/internal/sysinfo", "/internal/sysinfo-download", "/sdapi/v1/cmd-flags"):
        answer = api.get(path, auth=("ann", "s3cret"))
        assert answer.status_code == 200
        assert not re.search("s3cret|hidd3n", answer.text)


def test_with_a_password_every_route_but_ping_and_the_scripts_of_docs_asks_for_it(client):
    api = client("--api-auth", "ann:s3cret", "--api-server-stop")
    described = api.get("/openapi.json", auth=("ann", "s3cret")).json()["paths"]
    routes = [(method, path) for path, methods in described.items() for method in methods] + [("get", path) for path in ("/openapi.json", "/docs", "/redoc")]
    assert len(routes) > 30
    open_ones = {path for method, path in routes if api.request(method, re.sub(r"\{.*?\}", "x", path)).status_code != 401}
    assert open_ones == {"/internal/ping"}


def test_the_documentation_loads_nothing_from_outside(client):
    api = client()
    for page in ("/docs", "/redoc"):
        html = api.get(page).text
        addresses = re.findall(r'(?:src|href)="([^"]+)"', html)
        assert addresses and not [address for address in addresses if "//" in address]
        assert [api.get(f"/{address}").status_code for address in addresses] == [200] * len(addresses)
    assert "/sdapi/v1/txt2img" in api.get("/openapi.json").json()["paths"]


def test_the_progress_of_a_task_is_told_by_its_id(client, service):
    api = client()
    assert api.post("/internal/progress", json={"id_task": "nobody"}).json()["completed"] is False
    api.post("/sdapi/v1/txt2img", json={"prompt": "a", "steps": 1, "width": 64, "height": 64, "force_task_id": "task(mine)"})
    told = api.post("/internal/progress", json={"id_task": "task(mine)"}).json()
    assert (told["active"], told["queued"], told["completed"]) == (False, False, True)
    assert api.get("/internal/pending-tasks").json() == {"size": 0, "tasks": []}


def test_a_setting_that_is_none_is_passed_over_and_named_in_the_log(client, service, caplog):
    assert client().post("/sdapi/v1/options", json={"nosuch": 1, "CLIP_stop_at_last_layers": 2}).status_code == 200
    assert service.settings.current["CLIP_stop_at_last_layers"] == 2
    assert "nosuch" in caplog.text


def test_the_chosen_checkpoint_is_loaded_and_given_back(client, engine):
    api = client()
    assert [api.post(f"/sdapi/v1/{name}-checkpoint").status_code for name in ("reload", "unload")] == [200, 200]
    assert engine.loads == ["tiny.safetensors", None]


def test_a_setting_without_effect_is_kept_and_named_in_the_log(client, service, caplog):
    caplog.set_level("INFO")
    api = client()
    api.post("/sdapi/v1/options", json={"gallery_height": "90%", "memmon_poll_rate": 8})
    assert service.settings.current["gallery_height"] == "90%"
    assert "gallery_height" in caplog.text
    assert "memmon_poll_rate" not in caplog.text  # as it was


def test_requests_to_the_api_are_logged_only_with_api_log(client, caplog):
    caplog.set_level("INFO")
    client().get("/sdapi/v1/samplers")
    assert not [line for line in caplog.messages if line.startswith("API ")]
    api = client("--api-log")
    api.get("/sdapi/v1/samplers?key=secret")
    api.get("/sdapi/v1/no%0Asuch")
    api.get("/internal/ping")
    lines = [line for line in caplog.messages if line.startswith("API ")]
    assert [re.sub(r"[\d.]+ s", "0 s", line) for line in lines] == [
        "API GET /sdapi/v1/samplers 200 0 s testclient",
        "API GET /sdapi/v1/no%0Asuch 404 0 s testclient",
    ]
