"""Pictures from addresses: from where, how many bytes, how long. A server of this machine stands for the internet."""

import io
import socket
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from backend.api import remote_picture
from backend.api.pictures import decoded
from backend.api.remote_picture import fetch, is_public
from backend.errors import WebUIError
from backend.settings import Settings
from tests.serving import serve

ALLOWED = Settings().override({"api_enable_requests": True, "api_useragent": "painter"})


def png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (4, 2), "red").save(data, "png")
    return data.getvalue()


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    async def picture(request: Request) -> Response:
        return Response(png(), headers={"x-agent": request.headers.get("user-agent", "")})

    async def agent(request: Request) -> Response:
        return Response("; ".join(f"{name}={request.headers.get(name)}" for name in ("user-agent", "host", "cookie", "authorization")))

    async def away(request: Request) -> Response:
        return RedirectResponse("/picture")

    async def large(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(40):
                yield b"x" * 65536

        return StreamingResponse(pieces())

    async def silent(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"x"
            await request.receive()  # until the other side has gone
            await request.receive()

        return StreamingResponse(pieces())

    with serve(Starlette(routes=[Route(f"/{one.__name__}", one) for one in (picture, agent, away, large, silent)])) as url:
        yield url


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch, outside: str) -> str:
    monkeypatch.setattr(remote_picture, "is_public", lambda address: True)
    return outside


def test_a_picture_is_fetched_where_the_setting_allows_it(internet: str):
    assert decoded(f"{internet}/picture", ALLOWED).size == (4, 2)
    with pytest.raises(WebUIError, match="api_enable_requests"):
        decoded(f"{internet}/picture", Settings())


def test_the_server_hears_the_address_and_nothing_else(internet: str):
    host = internet.partition("://")[2]
    assert fetch(f"{internet}/agent", "painter").decode() == f"user-agent=painter; host={host}; cookie=None; authorization=None"


@pytest.mark.parametrize(("path", "words"), [("away", "not followed"), ("missing", "404"), ("large", "more than 1 MB")])
def test_what_is_no_picture_near_by_is_refused(internet: str, monkeypatch: pytest.MonkeyPatch, path: str, words: str):
    monkeypatch.setattr(remote_picture, "MOST_BYTES", 1 << 20)
    with pytest.raises(WebUIError, match=words):
        fetch(f"{internet}/{path}")


@pytest.mark.parametrize("limit", ["TIMEOUT", "DEADLINE"])
def test_a_server_that_falls_silent_is_left(internet: str, monkeypatch: pytest.MonkeyPatch, limit: str):
    monkeypatch.setattr(remote_picture, limit, 0.05)
    with pytest.raises(WebUIError, match="cannot be fetched"):
        fetch(f"{internet}/silent")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "10.1.2.3", "169.254.169.254", "[::ffff:127.0.0.1]", "2130706433"])
def test_this_machine_and_its_network_are_never_asked(host: str):
    with pytest.raises(WebUIError, match="nothing is fetched from there"):
        decoded(f"http://{host}:9/a.png", ALLOWED)


def test_a_name_with_one_private_address_is_not_asked(monkeypatch: pytest.MonkeyPatch):
    rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: rows)
    with pytest.raises(WebUIError, match="nothing is fetched from there"):
        fetch("http://picture.example/a.png")


def test_the_address_that_was_checked_is_the_one_that_is_asked(internet: str, monkeypatch: pytest.MonkeyPatch):
    port = int(internet.rpartition(":")[2])
    answers = iter([[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]])  # a second look-up would fail
    asked = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *given, **more: next(answers) if host == "picture.example" else asked(host, *given, **more))
    assert b"host=picture.example" in fetch(f"http://picture.example:{port}/agent")


@pytest.mark.parametrize("url", ["http://", "http:///a.png", "http://user:word@93.184.216.34/a.png", "http://93.184.216.34:99999/", "http://[::1/"])
def test_what_is_no_address_is_refused_with_a_sentence(url: str):
    with pytest.raises(WebUIError, match="cannot be fetched"):
        fetch(url)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822"])
def test_addresses_out_in_the_internet(address: str):
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", ["100.64.0.1", "224.0.0.1", "240.0.0.1", "fe80::1", "fc00::1", "::", "64:ff9b::7f00:1", "2002:7f00:1::"])
def test_addresses_near_by_and_those_that_stand_for_them(address: str):
    assert not is_public(ip_address(address))
