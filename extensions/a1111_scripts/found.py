"""Which extensions of A1111's form there are, and what of each is looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backend.extensions import A1111_MARKS, FRONT
from backend.paths import Paths

OWN = "scripts"  # the folder beside the extensions that A1111 looks into as well


@dataclass(frozen=True, kw_only=True)
class Found:
    name: str
    folder: Path  # what scripts.basedir() gives

    @property
    def scripts(self) -> tuple[Path, ...]:
        return _files(self.folder / "scripts", ".py")

    @property
    def javascript(self) -> tuple[Path, ...]:
        return _files(self.folder / "javascript", ".js", ".mjs")

    @property
    def steps(self) -> bool:
        """Whether its scripts name a callback of a step: these are loaded in the engine as well."""
        return any(b"on_cfg_" in file.read_bytes() for file in self.scripts)

    @property
    def style(self) -> Path | None:
        return style if (style := self.folder / "style.css").is_file() else None


def find(paths: Paths) -> tuple[Found, ...]:
    """By name, as A1111 sorts them; a native extension is none of these. The data folder's own scripts/ comes first."""
    own = [Found(name=OWN, folder=paths.data)] if _files(paths.data / OWN, ".py") else []
    return (*own, *_extensions(paths.extensions))


def _extensions(root: Path) -> Iterator[Found]:
    for folder in sorted(root.iterdir(), key=lambda folder: folder.name) if root.is_dir() else ():
        if not folder.name.startswith(".") and not (folder / FRONT).exists() and any((folder / part).exists() for part in A1111_MARKS):
            yield Found(name=folder.name, folder=folder)


def _files(folder: Path, *suffixes: str) -> tuple[Path, ...]:
    return tuple(sorted(file for file in folder.iterdir() if file.suffix in suffixes and file.is_file())) if folder.is_dir() else ()
