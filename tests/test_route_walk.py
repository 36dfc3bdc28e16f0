"""Every route of the built application: without a login, from elsewhere, and asked for files that are none of a visitor's business."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import app
from backend.exposure import Exposure
from backend.flags import parse_flags
from backend.service import GenerationService
from tests.backend.stage import open_service

HERE = "http://127.0.0.1:7860"
SECRET = "nobody's business"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    """Its data folder lies beside a file with a secret."""
    (tmp_path / "secret.png").write_text(SECRET)
    service = open_service(tmp_path / "data")
    yield service
    service.close()


NEEDED_FOR_THE_LOGIN = {"/", "/login", "/login/", "/logout", "/theme.css", "/favicon.ico", "/manifest.json", "/robots.txt"}
FILES_OF_GRADIO = {"/assets/x", "/static/x", "/svelte/x", "/pwa_icon", "/pwa_icon/x", "/monitoring/x"}  # the same for everyone, or behind a key


def every_route(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """(method, address with {names}) of everything that is served."""
    for route in routes:
        path = prefix + getattr(route, "path", "")
        inner = getattr(route, "original_router", None) or getattr(route, "app", None)
        if hasattr(route, "endpoint"):
            yield from ((method, path) for method in route.methods or ())
        elif inner is not None:
            yield from every_route(getattr(inner, "routes", ()), path)


def walk(client: TestClient) -> list[tuple[str, str]]:
    return sorted(set(every_route(client.app._app.routes)))  # type: ignore[attr-defined]


def filled(path: str, value: str) -> str:
    return re.sub(r"\{.*?\}", value, path)


def test_without_a_login_every_other_route_answers_401(service: GenerationService):
    flags = parse_flags(["--gradio-auth", "ann:secret", "--api-server-stop"])
    with TestClient(app.build(service, flags), base_url=HERE, raise_server_exceptions=False) as client:
        routes = walk(client)
        assert len(routes) > 100
        answers = {path: client.request(method, path).status_code for method, path in ((method, filled(path, "x")) for method, path in routes)}
    assert {path for path, status in answers.items() if status != 401} <= NEEDED_FOR_THE_LOGIN | FILES_OF_GRADIO | {"/internal/ping"}


def test_no_route_answers_under_a_foreign_name_or_to_a_foreign_page(service: GenerationService):
    with TestClient(app.build(service, parse_flags(["--api-server-stop"])), base_url=HERE, raise_server_exceptions=False) as client:
        for method, path in walk(client):
            address = filled(path, "x")
            assert client.request(method, address, headers={"host": "evil.example"}).status_code == 403, (method, path)
            if method in UNSAFE:
                for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example"):
                    assert client.request(method, address, headers={"origin": origin}).status_code == 403, (method, path, origin)


TRAVERSALS = ("..%2Fsecret", "%2e%2e%2fsecret", "..%5Csecret", "%2F{folder}%2Fsecret")
STREAMS = ("heartbeat", "queue", "stream", "events", "/call/", "reload")  # never end


def test_no_route_gives_a_file_that_lies_outside(service: GenerationService, tmp_path: Path):
    with TestClient(app.build(service, parse_flags([])), base_url=HERE, raise_server_exceptions=False) as client:
        gets = [path for method, path in walk(client) if method == "GET" and not any(word in path for word in STREAMS)]
        assert sum("{" in path for path in gets) > 15
        for path in gets:
            for form in TRAVERSALS:
                value = form.format(folder=str(tmp_path).strip("/")) + ".png"
                asked = dict.fromkeys(("path", "filename", "name", "file", "folder"), value)
                answer = client.get(filled(path, value), params=None if "{" in path else asked)
                assert SECRET not in answer.text, (path, value)


def test_strangers_leave_no_files_on_an_open_server(service: GenerationService):
    service.exposure = Exposure(open=True, changes=False)
    with TestClient(app.build(service, parse_flags(["--listen"])), base_url=HERE) as client:
        routes = [path for method, path in walk(client) if method == "POST" and path.endswith("/upload")]
        assert routes == ["/gradio_api/upload"]
        assert client.post(routes[0], files={"files": ("x.png", b"x")}).status_code == 403
