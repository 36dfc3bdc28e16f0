"""The folders of extensions, and how their modules are imported: extensions/<name>/<module>.py as extensions.<name>.<module>, in front and engine alike."""

import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

from backend.paths import Paths

PACKAGE, FRONT = "extensions", "extension.py"


def folders(paths: Paths) -> dict[str, Path]:
    """By name. One of the program's own goes before one of the person's with its name; a folder without extension.py is none of ours."""
    return {folder.name: folder for root in (paths.extensions, paths.root / PACKAGE) for folder in _in(root)}


def mount_all(paths: Paths) -> None:
    """For an engine: what targets name can be imported."""
    for name, folder in folders(paths).items():
        mount(name, folder)


def mount(name: str, folder: Path) -> None:
    """Lets `extensions.<name>.…` be imported from this folder, wherever it lies. Modules from another folder of that name are forgotten."""
    package = f"{PACKAGE}.{name}"
    known = sys.modules.get(package)
    if known is not None and list(getattr(known, "__path__", ())) == [str(folder)]:
        return
    forget(name)
    importlib.import_module(PACKAGE)
    spec = ModuleSpec(package, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[package] = module_from_spec(spec)


def forget(name: str) -> None:
    """What was imported of it is imported anew the next time."""
    package = f"{PACKAGE}.{name}"
    for module in [module for module in sys.modules if module == package or module.startswith(f"{package}.")]:
        del sys.modules[module]
    importlib.invalidate_caches()


def _in(root: Path) -> Iterator[Path]:
    if root.is_dir():
        yield from sorted(folder for folder in root.iterdir() if (folder / FRONT).is_file() and not folder.name.startswith("."))
