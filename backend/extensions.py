"""Finds extensions – folders with an extension.py, and installed packages with an entry point – and loads those that are on."""

import configparser
import importlib
import logging
from collections.abc import Iterable
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from backend.extension_modules import FRONT, PACKAGE, folders, mount
from backend.flags import Flags
from backend.paths import Paths
from backend.plugins import Extension, Hooks
from backend.settings import Settings

log = logging.getLogger(__name__)

METADATA = "metadata.ini"
# One of these in a folder without extension.py: made for A1111.
A1111_MARKS = ("scripts", "javascript", "style.css", "localizations", "install.py", "preload.py", METADATA)
ENTRY_POINTS = "webui.extensions"
# Those that come with the program: --disable-extra-extensions leaves them on, and nobody removes them from the page.
SHIPPED = (
    "a1111_scripts",
    "acceleration_samplers",
    "autosized_crop",
    "extra_options",
    "img2img_alternative",
    "img2img_batch",
    "loopback",
    "lora_duel",
    "lora_scrub",
    "outpainting_mk2",
    "pixel_art_upscalers",
    "poor_mans_outpainting",
    "prompt_matrix",
    "prompts_from_file",
    "sd_upscale",
    "soft_inpainting",
    "wildcards",
    "xyz_plot",
)


def find_extensions(paths: Paths, settings: Settings, flags: Flags) -> tuple[Extension, ...]:
    """Shipped ones first, then by name. A folder without extension.py is none of ours and is passed over."""
    known = folders(paths)
    found = [_read(folder, folder.parent == paths.root / PACKAGE) for folder in known.values()]
    found += [Extension(name=point.name, version=_version(point)) for point in _points() if point.name not in known]
    ordered = sorted(found, key=lambda one: (not one.shipped, one.name.lower()))
    return _switched(ordered, settings, flags)


def made_for_a1111(paths: Paths, settings: Settings, flags: Flags) -> tuple[Extension, ...]:
    """By name; nothing of their code is read here. Folders that begin with a dot are none."""
    root = paths.extensions
    folders = sorted(root.iterdir(), key=lambda folder: folder.name.lower()) if root.is_dir() else []
    found = [folder for folder in folders if not folder.name.startswith(".") and not (folder / FRONT).exists()]
    return _switched(
        [replace(_read(folder, False), for_a1111=True) for folder in found if any((folder / mark).exists() for mark in A1111_MARKS)], settings, flags
    )


def _switched(found: Iterable[Extension], settings: Settings, flags: Flags) -> tuple[Extension, ...]:
    off = _switched_off(settings, flags)
    return tuple(replace(one, enabled=not (one.name in off or "*" in off or ("+" in off and not one.shipped))) for one in found)


def load_extensions(found: Iterable[Extension], **start: Any) -> Hooks:
    """Imports those that are on. What fails is named in its `error` and in the log, and the rest goes on. start: for the hook `begin`."""
    extensions, plugins = [], {}
    available = {one.name for one in found if one.enabled}
    for extension in found:
        if extension.enabled:
            try:
                _check(extension, available)
                plugins[extension.name] = _module(extension)
            except (Exception, SystemExit) as error:  # whatever a stranger's module comes up with as it is imported
                log.exception("The extension %s cannot be loaded", extension.name)
                extension = replace(extension, error=_sentence(error) + _remedy(extension, error))
        extensions.append(extension)
    return Hooks(extensions, plugins, **start)


def _read(folder: Path, own: bool) -> Extension:
    """own: below the program's folder."""
    metadata = configparser.ConfigParser()
    shipped, error = own and folder.name in SHIPPED, ""
    try:
        metadata.read(folder / METADATA, encoding="utf-8")
    except (configparser.Error, OSError, UnicodeDecodeError) as problem:
        error = f"{METADATA} cannot be read: {problem}"
    section = metadata["Extension"] if metadata.has_section("Extension") else {}
    return Extension(
        name=folder.name,
        title=section.get("Name", ""),
        version=section.get("Version", ""),
        requires=tuple(part.strip() for part in section.get("Requires", "").split(",") if part.strip()),
        folder=folder,
        shipped=shipped,
        error=error,
    )


def _switched_off(settings: Settings, flags: Flags) -> set[str]:
    """Names; "+" stands for all that did not come with the program, "*" for all."""
    kind = settings["disable_all_extensions"]
    everything = {"*"} if flags.disable_all_extensions or kind == "all" else set()
    extra = {"+"} if flags.disable_extra_extensions or kind == "extra" else set()
    return {*settings["disabled_extensions"], *everything, *extra}


def _check(extension: Extension, available: set[str]) -> None:
    if extension.error:
        raise ImportError(extension.error)
    if missing := [name for name in extension.requires if name not in available]:
        raise ImportError(f"It needs the extension {', '.join(missing)}, which is not installed or switched off.")


def _module(extension: Extension) -> object:
    if extension.folder is None:
        return next(point for point in _points() if point.name == extension.name).load()
    mount(extension.name, extension.folder)
    return importlib.import_module(f"{PACKAGE}.{extension.name}.{Path(FRONT).stem}")


def _points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=ENTRY_POINTS))


def _version(point: EntryPoint) -> str:
    return point.dist.version if point.dist else ""


def _sentence(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text if type(error) is ImportError else f"{type(error).__name__}: {text}"


def _remedy(extension: Extension, error: BaseException) -> str:
    wanted = extension.folder and extension.folder / "requirements.txt"
    return f" Its packages: pip install -r {wanted}" if isinstance(error, ModuleNotFoundError) and wanted and wanted.is_file() else ""
