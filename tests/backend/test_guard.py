import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from backend import guard
from backend.guard import LOGIN_TRIES, Guard

HERE = "http://127.0.0.1:7860"


def client(base: str = HERE, **options) -> TestClient:
    async def answer(request: Request) -> Response:
        return JSONResponse({}, headers={"access-control-allow-origin": request.headers.get("origin", ""), "access-control-allow-credentials": "true"})

    async def login(request: Request) -> Response:
        return JSONResponse({}, 400)

    async def swallow(request: Request) -> Response:
        return JSONResponse({"bytes": len(await request.body())})

    async def locked(request: Request) -> Response:
        return JSONResponse({}, 401)

    routes = [
        Route("/locked", locked),
        Route("/swallow", swallow, methods=["POST"]),
        Route("/internal/upload/{name}", swallow, methods=["POST"]),
        Route("/", answer, methods=["GET", "POST"]),
        Route("/login", login, methods=["POST"]),
    ]
    return TestClient(Guard(Starlette(routes=routes), **options), base_url=base)


@pytest.mark.parametrize("base", [HERE, "http://localhost:7860", "http://[::1]:7860", "http://192.168.1.20:7860", "http://app.localhost"])
def test_localhost_and_every_address_are_names_of_this_server(base: str):
    assert client(base).get("/").status_code == 200


def test_a_foreign_name_is_refused_because_it_may_be_rebound():
    answer = client("http://evil.example").get("/")
    assert answer.status_code == 403
    assert "evil.example" in answer.json()["detail"]


def test_a_configured_name_is_answered():
    assert client("http://studio.lan:7860", names=["studio.lan"]).get("/").status_code == 200
    assert client("http://studio.lan", origins=["https://studio.lan"]).get("/").status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:3000", "http://localhost:7860"])
def test_a_page_of_another_origin_may_not_post(origin: str):
    assert client().post("/", headers={"origin": origin}).status_code == 403


def test_a_post_from_another_site_without_origin_is_refused():
    assert client().post("/", headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_own_page_and_programs_may_post():
    assert client().post("/").status_code == 200
    assert client().post("/", headers={"origin": HERE, "sec-fetch-site": "same-origin"}).status_code == 200


def test_answers_to_other_origins_carry_no_cors_headers():
    answer = client().get("/", headers={"origin": "http://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("options", [{"origins": ["https://friend.example"]}, {"origins": ["*"]}, {"origin_regex": r"https://.*\.example"}])
def test_allowed_origins_may_post_and_read(options: dict):
    answer = client(**options).post("/", headers={"origin": "https://friend.example"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://friend.example"


def test_every_answer_tells_the_browser_what_to_refuse():
    headers = client().get("/").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_wrong_passwords_have_to_wait_after_some_tries():
    page = client()
    assert [page.post("/login").status_code for _ in range(LOGIN_TRIES + 1)] == [400] * LOGIN_TRIES + [429]


def test_wrong_passwords_of_programs_have_to_wait_too():
    api = client()
    assert [api.get("/locked", auth=("a", str(turn))).status_code for turn in range(LOGIN_TRIES + 1)] == [401] * LOGIN_TRIES + [429]
    assert api.get("/").status_code == 200


def test_a_request_that_is_too_large_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(guard, "MOST_BYTES", 2**20)
    page, large = client(), b"x" * (2**20 + 1)
    answer = page.post("/swallow", content=large)
    assert answer.status_code == 413 and "larger than 1 MB" in answer.json()["detail"]
    assert page.post("/swallow", content=large[1:]).json() == {"bytes": 2**20}
    with pytest.raises(ClientDisconnect):
        page.post("/swallow", content=iter([large]))  # without its length
    assert page.post("/internal/upload/x", content=large).json() == {"bytes": 2**20 + 1}
