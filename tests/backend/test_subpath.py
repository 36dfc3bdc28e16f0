import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from backend.subpath import SubPath


async def where(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(request.url_for("there")))


@pytest.mark.parametrize("asked", ["/tools/sd/inner/there", "/inner/there"])
def test_the_path_may_be_passed_on_or_cut_off_by_the_proxy(asked: str):
    app = Starlette(routes=[Mount("/inner", routes=[Route("/there", where, name="there")])])
    assert TestClient(SubPath(app, "/tools/sd/")).get(asked).status_code == 200


def test_addresses_are_made_below_the_path():
    app = Starlette(routes=[Route("/there", where, name="there")])
    assert TestClient(SubPath(app, "sd")).get("/there").text == "http://testserver/sd/there"


def test_a_name_that_only_starts_like_the_path_is_another():
    app = Starlette(routes=[Route("/sdapi", where, name="there")])
    assert TestClient(SubPath(app, "sd")).get("/sdapi").status_code == 200
