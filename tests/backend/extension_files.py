"""Extensions written by tests into folders of their own, and hooks over them."""

from pathlib import Path

from backend.extensions import find_extensions, load_extensions
from backend.flags import parse_flags
from backend.paths import Paths
from backend.plugins import Hooks
from backend.settings import Settings


def write_extension(folder: Path, name: str, code: str, metadata: str = "", **files: str) -> Path:
    """extensions/<name> below this folder. files: more modules, by name."""
    extension = folder / "extensions" / name
    extension.mkdir(parents=True, exist_ok=True)
    (extension / "extension.py").write_text(code, "utf-8")
    if metadata:
        (extension / "metadata.ini").write_text(metadata, "utf-8")
    for module, text in files.items():
        (extension / f"{module}.py").write_text(text, "utf-8")
    return extension


def paths_of(folder: Path) -> Paths:
    return Paths.from_flags(parse_flags(["--data-dir", str(folder)]), folder)


def load(folder: Path, *flags: str, **settings: object) -> Hooks:
    """Those of the folder alone; the program's own are elsewhere."""
    paths, given, chosen = paths_of(folder), parse_flags(flags), Settings().override(settings)
    return load_extensions(find_extensions(paths, chosen, given), paths=paths, flags=given, settings=chosen)
