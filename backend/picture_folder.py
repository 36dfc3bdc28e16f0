"""A folder of pictures that a request names: only one that the program's own folders or --gradio-allowed-path cover."""

from pathlib import Path

from backend.errors import NotFound, WebUIError
from backend.images.metadata import FORMATS
from backend.model_folders import natural_order
from backend.paths import Paths

PICTURES = frozenset(f".{suffix}" for suffix in (*FORMATS, "bmp", "gif", "tif", "tiff"))


def allowed_folder(text: str, paths: Paths) -> Path:
    """Links are followed before it is judged. Raises WebUIError."""
    folder = Path(paths.data, text).expanduser().resolve()
    if not any(folder.is_relative_to(allowed.resolve()) for allowed in paths.browsable):
        if not paths.browsable:
            raise WebUIError("Folders of the server may not be named here.")
        known = ", ".join(map(str, paths.browsable))
        raise WebUIError(f"The folder {text} may not be used: allowed are {known} and what lies below them. --gradio-allowed-path adds another one.")
    return folder


def pictures_of(folder: Path) -> tuple[Path, ...]:
    """In natural order; folders in it are not entered. Raises NotFound where there are none."""
    try:
        files = [file for file in folder.iterdir() if file.suffix.lower() in PICTURES and file.is_file()]
    except OSError as error:
        raise NotFound(f"The folder {folder} cannot be read: {error.strerror}.") from error
    if not files:
        raise NotFound(f"There are no pictures in {folder}.")
    return tuple(sorted(files, key=lambda file: natural_order(file.name)))
