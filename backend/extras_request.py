"""What the Extras tab and its API ask for: pictures, and the steps that each goes through."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from PIL import Image


@dataclass(frozen=True, kw_only=True)
class ExtrasImage:
    """One picture, with the metadata that its file had (Image.info). name: of that file, "" where there was none."""

    image: Image.Image
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class ExtrasRequest:
    """Pictures, files that were taken in, or a folder. steps: by name (see extras_steps), each with its own options; a step that is not named is not run."""

    images: tuple[ExtrasImage, ...] = ()
    files: tuple[Path, ...] = ()  # of the program's own folders; read when their turn comes
    input_folder: str = ""  # "" = images and files
    output_folder: str = ""  # "" = where the settings say
    show_results: bool = True  # of a folder: keep the pictures in the task, too
    steps: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: MappingProxyType({}))
