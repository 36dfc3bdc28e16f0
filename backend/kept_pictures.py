"""What a person does with the pictures of a task: keep one in log/images with a line in log.csv, take all home as a ZIP, delete one."""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from backend import infotext
from backend.errors import NotFound, WebUIError
from backend.images.metadata import Encoding, encode, read_infotext
from backend.images.packing import pack
from backend.images.save import save_data
from backend.paths import Paths
from backend.settings import Settings
from backend.tasks import SavedImage, Task

LOG = "log.csv"
LOG_COLUMNS: Mapping[str, str] = {
    "prompt": "Prompt",
    "seed": "Seed",
    "width": "Size-1",
    "height": "Size-2",
    "sampler": "Sampler",
    "cfgs": "CFG scale",
    "steps": "Steps",
    "filename": "",
    "negative_prompt": "Negative prompt",
    "sd_model_name": "Model",
    "sd_model_hash": "Model hash",
}  # A1111's, with the label of an infotext that has the value


def keep(image: SavedImage, name: str, paths: Paths, settings: Settings) -> Path:
    """Copies the file as it is into `outdir_save`, under its name or that name with a number. Raises WebUIError."""
    folder, stem = paths.data / (settings["outdir_save"] or "log/images"), Path(name)
    try:
        path = save_data(_data(image), folder, stem.suffix, name=stem.stem)
        if settings["save_write_log_csv"]:
            _log(folder / LOG, image, path.name)
    except OSError as error:
        raise WebUIError(f"The picture could not be saved in {folder}: {error.strerror or error}.") from error
    return path


def packed(task: Task, names: list[str]) -> Iterator[bytes]:
    """A ZIP of all pictures of the task, in pieces. names: of the files in it."""
    for image in task.images:
        if image.path is None and image.pixels is None:
            raise NotFound("A picture of this task is not there any more.")
    return pack((name, image.path or _data(image)) for name, image in zip(names, task.images, strict=False))


def delete_files(path: Path) -> None:
    """A picture's file, the text beside it, and its smaller copy as JPEG. Raises WebUIError."""
    copy = path.with_suffix(".jpg")
    try:
        if copy != path and copy.is_file() and path.is_file() and read_infotext(copy.read_bytes()) == read_infotext(path.read_bytes()):
            copy.unlink()
        path.unlink(missing_ok=True)
        path.with_suffix(".txt").unlink(missing_ok=True)
    except OSError as error:
        raise WebUIError(f"{path.name} could not be deleted: {error.strerror or error}.") from error


def _data(image: SavedImage) -> bytes:
    if image.path is None:
        if image.pixels is None:
            raise NotFound("This picture is not there any more.")
        return encode(image.pixels, image.infotext, Encoding())
    try:
        return image.path.read_bytes()
    except FileNotFoundError:
        raise NotFound("This picture is not there any more.") from None


def _log(file: Path, image: SavedImage, name: str) -> None:
    """One line, below A1111's header; written at once, so that two pages do not mix theirs."""
    labels = infotext.read(image.infotext)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    if not file.exists():
        writer.writerow(LOG_COLUMNS)
    writer.writerow([name if column == "filename" else labels.get(label, "") for column, label in LOG_COLUMNS.items()])
    with file.open("a", encoding="utf-8", newline="") as log:
        log.write(text.getvalue())
