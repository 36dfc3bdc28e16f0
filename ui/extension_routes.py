"""The Extensions tab's data, under /internal/extensions: what is installed; install, update, remove, switch, and saved sets. Git may take minutes."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel

from backend.extension_store import ExtensionStore
from backend.service import GenerationService
from ui.library_routes import Explained, answer


class Source(BaseModel):
    source: str
    name: str = ""
    branch: str = ""


class Named(BaseModel):
    name: str


class Switches(BaseModel):
    disabled: list[str]
    disable_all: Literal["none", "extra", "all"] = "none"
    restart: bool = False


class Saved(BaseModel):
    file: str


def add_extension_routes(router: APIRouter, service: GenerationService, store: ExtensionStore, restart: Callable[[], None]) -> None:
    def guarded(what: str, act: Callable[[], Any], done: Callable[[Any], str]) -> Response:
        with Explained():
            service.exposure.check_extensions(what)
            told = done(act())
            return answer(listed(service, store) | {"told": told})

    @router.get("/extensions")
    def read() -> Response:
        return answer(listed(service, store))

    @router.post("/extensions/install")
    def install(body: Source) -> Response:
        act = lambda: store.install(body.source, name=body.name, branch=body.branch)  # noqa: E731
        return guarded("install extensions", act, lambda name: f"{name} is installed. It is loaded by the next start.")

    @router.post("/extensions/check")
    def check() -> Response:
        with Explained():
            service.exposure.check_extensions("look for newer extensions")
            newer = store.check()
            return answer(listed(service, store) | {"told": "", "newer": newer})

    @router.post("/extensions/update")
    def update(body: Named) -> Response:
        return guarded(
            "update extensions", lambda: store.update(body.name), lambda commit: f"{body.name} is at {commit[:8]} now. It is loaded by the next start."
        )

    @router.post("/extensions/set-up")
    def set_up(body: Named) -> Response:
        return guarded("run install.py of extensions", lambda: store.set_up(body.name), lambda said: f"install.py of {body.name} is done. {said}".strip())

    @router.post("/extensions/remove")
    def remove(body: Named) -> Response:
        return guarded(
            "remove extensions", lambda: store.remove(body.name), lambda _: f"{body.name} is removed. What is loaded of it goes with the next start."
        )

    @router.post("/extensions/apply")
    def apply(body: Switches) -> Response:
        def act() -> None:
            store.switch(body.disabled, body.disable_all)
            if body.restart:
                restart()

        return guarded("switch extensions", act, lambda _: "Starting again …" if body.restart else "This holds from the next start on.")

    @router.post("/extensions/save")
    def save(body: Named) -> Response:
        return guarded("save sets of extensions", lambda: store.save(body.name), lambda _: "The set is saved.")

    @router.post("/extensions/restore")
    def restore(body: Saved) -> Response:
        done = lambda told: " ".join(told) or "The set is restored. It is loaded by the next start."  # noqa: E731
        return guarded("restore sets of extensions", lambda: store.restore(body.file), done)


def listed(service: GenerationService, store: ExtensionStore) -> dict[str, Any]:
    return {
        "extensions": [asdict(row) for row in store.rows()],
        "states": [{**state, "extensions": list(state["extensions"])} for state in store.states()],
        "disable_all": service.settings.current["disable_all_extensions"],
        "allowed": service.exposure.extensions,
    }
