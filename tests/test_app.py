"""The composition root: the real page and API in one application, and the program as a process."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import app
from backend.errors import WebUIError
from backend.flags import parse_flags
from backend.service import GenerationService
from backend.workers.local import LocalWorker
from tests.backend.stage import open_service
from tests.backend.workers.fake_engine import FakeEngine

HERE = "http://127.0.0.1:7860"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path)
    yield service
    service.close()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], ("127.0.0.1", 7860)),
        (["--listen", "--port", "8000"], ("0.0.0.0", 8000)),
        (["--server-name", "10.0.0.1"], ("10.0.0.1", 7860)),
        (["--nowebui"], ("127.0.0.1", 7861)),
    ],
)
def test_where_it_listens(flags: list[str], expected: tuple[str, int]):
    assert app.address(parse_flags(flags)) == expected


def test_a_taken_port_is_one_clear_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WebUIError, match=rf"Port {port} on 127.0.0.1 is in use by another program\. Stop that program, or .* --port"):
            app.listen(parse_flags(["--port", str(port)]))


def test_page_and_api_are_one_application_behind_the_guard(service: GenerationService):
    with TestClient(app.build(service, parse_flags([])), base_url=HERE) as client:
        page = client.get("/")
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert client.get("/internal/progress").status_code == 200
        assert client.get("/internal/ping").json() == {}
        library = client.get("/internal/library/lora", params={"search": "indian", "count": 5}).json()
        assert [entry["file"] for entry in library["entries"]] == ["ink.safetensors"]
        assert [client.get(f"/internal/library/{rest}").status_code for rest in ("nix", "lora?sort=nix", "vae?sort=date")] == [404, 422, 200]
        assert client.get("/sdapi/v1/samplers").status_code == 200
        assert client.get("/", headers={"host": "evil.example"}).status_code == 403
        assert client.get("/config", headers={"origin": "http://evil.example"}).headers.get("access-control-allow-origin") is None


def test_a_login_protects_page_own_routes_and_api(service: GenerationService):
    with TestClient(app.build(service, parse_flags(["--gradio-auth", "ann:secret"])), base_url=HERE) as client:
        closed = ("/config", "/internal/progress", "/internal/library/lora", "/sdapi/v1/samplers")
        assert [client.get(path).status_code for path in closed] == [401] * 4
        assert client.post("/login", data={"username": "ann", "password": "wrong"}).status_code == 400
        assert client.get("/internal/progress").status_code == 401
        assert client.post("/login", data={"username": "ann", "password": "secret"}).status_code == 200
        assert [client.get(path).status_code for path in closed] == [200, 200, 200, 401]  # the API wants HTTP Basic


def test_the_checkpoint_is_loaded_at_the_start_and_one_that_cannot_be_is_one_line_in_the_log(tmp_path: Path, caplog):
    engine = FakeEngine()
    service = open_service(tmp_path, LocalWorker(engine))
    app.load_checkpoint(service)
    assert engine.loads == ["tiny.safetensors"]
    service.settings.update({"sd_vae": "gone.pt"})
    app.load_checkpoint(service)
    assert [record.levelname for record in caplog.records] == ["WARNING"] and "gone.pt" in caplog.text
    service.close()


def test_the_program_starts_says_where_it_is_and_ends_with_ctrl_c(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--nowebui", "--port", str(port), "--data-dir", str(tmp_path)]
    environment = {**os.environ, "COMMANDLINE_ARGS": "--no-half"}
    with subprocess.Popen(command, cwd=app.ROOT, env=environment, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr
        first = program.stderr.readline()
        program.send_signal(signal.SIGINT)
        rest = program.stderr.read()  # ends when both processes have ended: the engine holds the pipe too
    assert f"Ready: http://127.0.0.1:{port}" in first
    assert program.returncode == 0
    assert [line.split(maxsplit=2)[2] for line in rest.splitlines()] == ["Stopped"]
