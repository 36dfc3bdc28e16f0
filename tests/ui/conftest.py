"""The page over the fake service, on a real port of this machine."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # as app.py does, before gradio is imported

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from backend.guard import Guard
from tests.serving import serve
from tests.ui.fake_service import FakeService
from tests.ui.page import Txt2img, open_page
from ui.blocks import build, mount
from ui.routes import build_routes

EXAMPLES = '{"example prompts": ["cat face on green background", "a blue heart"]}'


def page_app(service: FakeService) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None)
    app.include_router(build_routes(service))  # type: ignore[arg-type]
    return mount(app, build(service))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeService, str]]:
    """One server for a module's tests; `service` makes it new for each."""
    service = FakeService(tmp_path_factory.mktemp("service"))
    with serve(Guard(page_app(service))) as url:  # with the headers that app.py's page has
        yield service, url
    service.close()


@pytest.fixture
def service(running: tuple[FakeService, str], tmp_path: Path) -> FakeService:
    service = running[0]
    service.reset(tmp_path)
    service.catalog.add("checkpoint", "demo.safetensors", {"modelspec.resolution": "128x128"}, EXAMPLES)
    service.catalog.add("checkpoint", "other.safetensors")
    service.catalog.add("lora", "styles/neon.safetensors", sidecar='{"activation text": "glowing neon", "preferred weight": 0.8}')
    return service


@pytest.fixture
def http(service: FakeService) -> Iterator[TestClient]:
    """The page's own addresses, over the service that the test's file has."""
    app = FastAPI()
    app.include_router(build_routes(service))  # type: ignore[arg-type]
    with TestClient(app) as client:
        yield client


@pytest.fixture
def address(running: tuple[FakeService, str], service: FakeService) -> str:
    return running[1]


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Txt2img]:
    with open_page(browser, address) as page:
        yield page
