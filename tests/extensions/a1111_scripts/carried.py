"""A folder with scripts and extensions of A1111's form, and the service that carries them: everything is real but the drawing."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

from backend.flags import parse_flags
from backend.plugins import Hooks
from backend.service import GenerationService
from backend.settings import Settings
from backend.workers.worker import Worker
from tests.backend.extension_files import paths_of
from tests.backend.stage import open_service


def write(folder: Path, extension: str, **files: str) -> Path:
    """extensions/<extension>/scripts/<name>.py; one that ends in a kind is a path: javascript__a_js → javascript/a.js."""
    for name, text in files.items():
        kind = next((kind for kind in ("js", "css", "py") if name.endswith(f"_{kind}")), "")
        path = f"{name.removesuffix(f'_{kind}').replace('__', '/')}.{kind}" if kind else f"scripts/{name}.py"
        file = folder / "extensions" / extension / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), "utf-8")
    return folder / "extensions" / extension


def load(folder: Path, *, on: bool = True, beside: object = None, **settings: object) -> Hooks:
    """beside: hooks of another extension."""
    chosen = Settings().override({"a1111_scripts": on, **settings})
    plugin = importlib.import_module("extensions.a1111_scripts.extension")
    plugins = {"a1111_scripts": plugin} | ({"beside": beside} if beside else {})
    return Hooks((), plugins, paths=paths_of(folder), flags=parse_flags([]), settings=chosen)


@contextmanager
def carrying(folder: Path, worker: Worker | None = None, beside: object = None, **settings: object) -> Iterator[GenerationService]:
    service = open_service(folder, worker, load(folder, beside=beside), **settings)
    try:
        yield service
    finally:
        service.close()
