"""The files that A1111 keeps beside a model: name.json, name.txt, name.preview.png; and the cover that some trainers put into it."""

import base64
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from backend.errors import WebUIError

log = logging.getLogger(__name__)

PREVIEW_SUFFIXES = ("png", "jpg", "jpeg", "webp", "gif")
PREVIEWS = tuple(f"{kind}.{suffix}" for suffix in PREVIEW_SUFFIXES for kind in ("", ".preview"))  # the first that is there counts, as in A1111
COVERS = "ssmd_cover_images"  # key of the metadata: pictures in base64
TEXTS = (".json", ".txt", ".description.txt")
BESIDE = (*TEXTS, *PREVIEWS)  # what follows the name of the model


def read_sidecar(model: Path) -> dict[str, object]:
    """name.json: "description", "sd version", "activation text", "preferred weight", "negative text", "notes", and "example prompts" (ours).

    Without a description there, that of name.txt or name.description.txt is taken. A broken file counts as empty.
    """
    sidecar = _read_json(model.with_suffix(".json"))
    if not isinstance(sidecar.get("description"), str):
        description = _read_text(model.with_suffix(".txt"), model.with_suffix(".description.txt"))
        sidecar = {**sidecar, "description": description} if description is not None else sidecar
    return sidecar


def write_sidecar(model: Path, changes: Mapping[str, object]) -> None:
    """Change these keys of name.json and keep all others; None takes a key away. Whoever reads meanwhile sees the old file or the new one.

    Raises WebUIError if the file there is broken, or cannot be written.
    """
    path = model.with_suffix(".json")
    try:
        content = json.loads(path.read_text("utf-8-sig")) if path.exists() else {}
        if not isinstance(content, dict):
            raise ValueError("no object")
    except (ValueError, RecursionError) as error:
        raise WebUIError(f"{path.name} is broken ({error}): repair or delete it, then save again.") from error
    except OSError as error:
        raise WebUIError(f"{path.name} cannot be read: {error.strerror}.") from error
    changed = {key: value for key, value in {**content, **changes}.items() if value is not None or key not in changes}
    try:
        _replace(path, json.dumps(changed, indent=4, ensure_ascii=False).encode("utf-8", "replace"))
    except OSError as error:
        raise WebUIError(f"{path.name} cannot be written: {error.strerror}.") from error


def write_preview(model: Path, png: bytes) -> Path:
    """name.preview.png, in the place of one that is there. Raises WebUIError where another picture would be shown all the same, or it cannot be written."""
    path = model.with_suffix(".preview.png")
    shown = find_preview(model)
    if shown is not None and PREVIEWS.index(shown.name[len(model.stem) :]) < PREVIEWS.index(".preview.png"):
        raise WebUIError(f"{shown.name} lies beside the model and comes before {path.name}: delete or rename it first.")
    try:
        _replace(path, png)
    except OSError as error:
        raise WebUIError(f"{path.name} cannot be written: {error.strerror}.") from error
    return path


def cover(metadata: Mapping[str, str]) -> bytes | None:
    """The first of the pictures in the metadata, undecoded; for models without a preview."""
    try:
        images = json.loads(metadata.get(COVERS) or "[]")
        return base64.b64decode(images[0]) if images else None
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def find_preview(model: Path) -> Path | None:
    """name.png before name.preview.png before name.jpg …, as A1111 looks for them."""
    candidates = (model.with_suffix(suffix) for suffix in PREVIEWS)
    return next((path for path in candidates if path.is_file()), None)


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read_json(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s cannot be read: %s", path.name, error)
        return {}
    return content if isinstance(content, dict) else {}


def _read_text(*paths: Path) -> str | None:
    for path in paths:
        try:
            return path.read_text("utf-8-sig", errors="replace").strip()
        except OSError:
            continue
    return None
