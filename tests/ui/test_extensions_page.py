"""The Extensions tab over the real store, in a browser; and who may change something there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, expect

import app
from backend.exposure import Exposure
from backend.flags import parse_flags
from backend.service import GenerationService
from tests.backend.extension_files import load, write_extension
from tests.backend.repositories import commit, head, repository
from tests.backend.stage import open_service
from tests.serving import serve
from tests.ui.page import open_page

CODE = "VERSION = {}\n"
ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[], GenerationService]]:
    services: list[GenerationService] = []

    def open_one() -> GenerationService:
        services.append(open_service(tmp_path / "data", hooks=load(tmp_path / "data")))
        return services[-1]

    yield open_one
    for service in services:
        service.close()


def test_one_is_installed_updated_switched_saved_and_removed(opened, browser: Browser, tmp_path: Path) -> None:
    write_extension(tmp_path / "data", "broken", "import nosuchmodule_<b>".replace("<b>", "b"))
    origin, ended = repository(tmp_path / "origin", extension=CODE.format(1)), Event()
    with serve(app.build(opened(), parse_flags([]), lambda restart: ended.set())) as url, open_page(browser, url) as opened_page:
        page = opened_page.page
        page.get_by_role("tab", name="Extensions").click()
        expect(page.locator("[data-name=broken] .wrong")).to_contain_text("nosuchmodule_b")
        page.fill(".extensions-page input[name=source]", str(origin))
        page.fill(".extensions-page input[name=name]", "mine")
        page.get_by_role("button", name="Install", exact=True).click()
        expect(page.locator("[data-name=mine] .facts")).to_contain_text(head(origin)[:8])
        page.fill(".set-name", "All of it")
        page.get_by_role("button", name="Save what is installed now").click()
        expect(page.locator(".states .extension")).to_contain_text("broken, mine")
        commit(origin, extension=CODE.format(2))
        page.get_by_role("button", name="Check for updates").click()
        expect(page.locator("[data-name=mine] .facts")).to_contain_text("1 new commit")
        page.locator("[data-name=mine]").get_by_role("button", name="Update").click()
        expect(page.locator("[data-name=mine] .facts")).to_contain_text(head(origin)[:8])
        page.once("dialog", lambda dialog: dialog.accept())
        page.locator("[data-name=mine]").get_by_role("button", name="Remove").click()
        expect(page.locator("[data-name=mine]")).to_have_count(0)
        assert not (tmp_path / "data/extensions/mine").exists()
        page.get_by_label("broken").uncheck()
        page.get_by_role("button", name="Apply and restart UI").click()
        assert ended.wait(10)
        assert '"broken"' in (tmp_path / "data/config.json").read_text("utf-8")


@pytest.mark.parametrize(
    ("flags", "allowed"),
    [([], True), (["--listen"], False), (["--listen", "--gradio-auth", "a:b"], False), (["--listen", "--enable-insecure-extension-access"], True)],
)
def test_from_the_network_nothing_is_changed_unless_it_was_allowed(flags: list[str], allowed: bool) -> None:
    assert Exposure.of(parse_flags(flags)).extensions is allowed


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("install", {"source": "/tmp"}),
        ("update", {"name": "mine"}),
        ("remove", {"name": "mine"}),
        ("check", {}),
        ("apply", {"disabled": []}),
        ("save", {"name": "x"}),
        ("restore", {"file": "x"}),
        ("set-up", {"name": "mine"}),
    ],
)
def test_every_change_is_refused_with_a_sentence_where_it_is_not_allowed(opened, what: str, body: dict) -> None:
    service = opened()
    service.exposure = Exposure(extensions=False)
    with TestClient(app.build(service, parse_flags([])), base_url=ADDRESS) as client:
        answer = client.post(f"/internal/extensions/{what}", json=body)
        assert (answer.status_code, "--enable-insecure-extension-access" in answer.json()["detail"]) == (403, True)
        assert client.get("/internal/extensions").json()["allowed"] is False


def test_the_api_lists_what_did_not_come_with_the_program(opened, tmp_path: Path) -> None:
    write_extension(tmp_path / "data", "mine", CODE.format(1), "[Extension]\nVersion = 1.5\n")
    with TestClient(app.build(opened(), parse_flags([])), base_url=ADDRESS) as client:
        (row,) = client.get("/sdapi/v1/extensions").json()
    assert row == {"name": "mine", "remote": "", "branch": "", "commit_hash": "", "version": "1.5", "commit_date": 0, "enabled": True}
