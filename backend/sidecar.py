"""The files that A1111 keeps beside a model: name.json, name.txt, name.preview.png."""

import json
import logging
from pathlib import Path

log = logging.getLogger(__name__)

PREVIEW_SUFFIXES = ("png", "jpg", "jpeg", "webp", "gif")
PREVIEWS = tuple(f"{kind}.{suffix}" for suffix in PREVIEW_SUFFIXES for kind in ("", ".preview"))  # the first that is there counts, as in A1111
BESIDE = (".json", ".txt", ".description.txt", *PREVIEWS)  # what follows the name of the model


def read_sidecar(model: Path) -> dict[str, object]:
    """name.json: "description", "sd version", "activation text", "preferred weight", "negative text", "notes", and "example prompts" (ours).

    Without a description there, that of name.txt or name.description.txt is taken. A broken file counts as empty.
    """
    sidecar = _read_json(model.with_suffix(".json"))
    if not isinstance(sidecar.get("description"), str):
        description = _read_text(model.with_suffix(".txt"), model.with_suffix(".description.txt"))
        sidecar = {**sidecar, "description": description} if description is not None else sidecar
    return sidecar


def find_preview(model: Path) -> Path | None:
    """name.png before name.preview.png before name.jpg …, as A1111 looks for them."""
    candidates = (model.with_suffix(suffix) for suffix in PREVIEWS)
    return next((path for path in candidates if path.is_file()), None)


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
