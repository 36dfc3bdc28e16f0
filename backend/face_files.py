"""Which files restore faces: a name of A1111's → its weights, and those that find the face. Nothing is downloaded."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from backend.model_folders import natural_order
from backend.paths import Paths

GFPGAN, CODEFORMER, RESTOREFORMER = "GFPGAN", "CodeFormer", "RestoreFormer"
RESTORERS = (CODEFORMER, GFPGAN, RESTOREFORMER)
DETECTOR, PARSER = "detection_Resnet50_Final.pth", "parsing_parsenet.pth"
USUAL: Mapping[str, str] = {GFPGAN: "GFPGANv1.4.pth", CODEFORMER: "codeformer-v0.1.0.pth", RESTOREFORMER: "RestoreFormer.pth"}
SUFFIXES = (".pth", ".safetensors")
PACKAGE = "spandrel_extra_arches"


class FaceFiles:
    """Looks at the folders each time. codeformer_code: the package that has CodeFormer's network is installed."""

    def __init__(self, gfpgan: tuple[Path, ...], codeformer: tuple[Path, ...], first: Path | None = None, *, codeformer_code: bool = False) -> None:
        self._folders = {GFPGAN: gfpgan, CODEFORMER: codeformer, RESTOREFORMER: gfpgan}
        self._first = first
        self._codeformer_code = codeformer_code

    @classmethod
    def of(cls, paths: Paths) -> "FaceFiles":
        return cls(paths.gfpgan, paths.codeformer, paths.gfpgan_file, codeformer_code=find_spec(PACKAGE) is not None)

    def usable(self) -> tuple[str, ...]:
        """Names of what can restore a face now."""
        return tuple(name for name in RESTORERS if not self.missing(name))

    def restorer(self, name: str) -> Path | None:
        """The file that --gfpgan-model names; else of those that have the restorer's name in theirs the newest by its number."""
        if name == GFPGAN and self._first is not None and self._first.is_file():
            return self._first
        found = [path for path in self._all(self._folders[name]) if name.lower() in path.name.lower()]
        return max(found, key=lambda path: natural_order(path.name), default=None)

    def detector(self) -> Path | None:
        return self._named(DETECTOR)

    def parser(self) -> Path | None:
        """None: a face is pasted with a square of soft edges."""
        return self._named(PARSER)

    def missing(self, name: str) -> str:
        """A sentence that says what is to be put where; "" where all is there."""
        if name not in RESTORERS:
            return f"There is no face restoration by {name!r}. Known: {', '.join(RESTORERS)}."
        wanted = [f"{USUAL[name]} in models/{CODEFORMER.capitalize() if name == CODEFORMER else GFPGAN}"] if self.restorer(name) is None else []
        wanted += [f"{DETECTOR} in models/{GFPGAN}"] if self.detector() is None else []
        if name == CODEFORMER and not self._codeformer_code:
            wanted.append(f"the Python package {PACKAGE}, which does not come with this program because the license of CodeFormer forbids commercial use")
        return f"{name} needs {' and '.join(wanted)}. Nothing is downloaded: see docs/extras.md." if wanted else ""

    def _named(self, file_name: str) -> Path | None:
        folders = (*self._folders[GFPGAN], *self._folders[CODEFORMER])
        return next((path for folder in folders if (path := folder / file_name).is_file()), None)

    @staticmethod
    def _all(folders: tuple[Path, ...]) -> list[Path]:
        there = (folder for folder in folders if folder.is_dir())
        return [path for folder in there for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and path.is_file()]
