"""/docs and /redoc, with nothing from the outside: their scripts come with a package."""

from collections.abc import Sequence

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.params import Depends
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

FILES = "/docs-files"
TITLE = "The API"


def add_docs(app: FastAPI, dependencies: Sequence[Depends] = ()) -> None:
    """dependencies: who may read. The scripts themselves are public knowledge."""
    router = APIRouter(include_in_schema=False, dependencies=dependencies)

    @router.api_route("/openapi.json", methods=["GET", "HEAD"])  # else HEAD would reach Gradio's own
    def describe() -> dict[str, object]:
        return app.openapi()

    @router.get("/docs")
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="openapi.json",
            title=TITLE,
            swagger_js_url=f"{FILES[1:]}/swagger-ui-bundle.js",
            swagger_css_url=f"{FILES[1:]}/swagger-ui.css",
            swagger_favicon_url=f"{FILES[1:]}/favicon.png",
        )

    @router.get("/redoc")
    def redoc() -> HTMLResponse:
        return get_redoc_html(
            openapi_url="openapi.json",
            title=TITLE,
            redoc_js_url=f"{FILES[1:]}/redoc.standalone.js",
            redoc_favicon_url=f"{FILES[1:]}/favicon.png",
            with_google_fonts=False,
        )

    app.include_router(router)
    app.mount(FILES, StaticFiles(packages=[("fastapi_offline", "static")]), name="docs-files")
