"""Pictures that were drawn, kept by all that makes them what they are: asked for again they cost nothing.

For scripts that ask for the same picture often: DrawnBefore stands in the place of session.draw, and all scripts share what is kept.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from PIL import Image

from backend.catalog import Catalog, Entry
from backend.errors import Interrupted, WebUIError
from backend.images.metadata import Encoding, encode, infotext_of, open_image
from backend.infotext import VERSION
from backend.job import GenerateJob, PreviewOptions
from backend.plan import Plan, PlannedImage
from backend.request import GenerationRequest
from backend.scripts import Session
from backend.setting_table import SETTINGS
from backend.tasks import SavedImage

log = logging.getLogger(__name__)

_HASH = re.compile(r"hash='[0-9a-f]*'")
MOST_BYTES = 1 << 30  # of all
FOLDER = "drawn_before"  # in the cache


class DrawnBefore:
    """start: how the program was started (the flags that `begin` gets), which chooses device and precision."""

    def __init__(self, start: object = "") -> None:
        self._start = repr(start)

    def draw(self, request: GenerationRequest, session: Session, *, save: bool = True) -> tuple[SavedImage, bool]:
        """The first picture of the request, shown, and whether it had to be drawn. save: whether one that comes from the cache gets a file anew.

        Raises WebUIError and Interrupted, as session.draw does.
        """
        kept, decided = Kept(session.paths.cache / FOLDER), session.decide(request)
        key = key_of(decided, session.catalog, request.parts, self._start)
        if session.interrupted:
            raise Interrupted
        if (known := kept.get(key)) is not None:
            image, infotext = known
            picture = SavedImage(pixels=image, path=None, infotext=infotext, seed=decided.images[0].seed, plan=decided)
            return session.keep(picture, image, infotext, save=save), False
        (picture,) = session.draw(request)[:1]
        if picture.complete:
            try:
                kept.put(key, picture.image, picture.infotext)
            except OSError as error:
                log.warning("A picture was not kept for the next time: %s", error.strerror)
        return picture, True


def key_of(plan: Plan, catalog: Catalog, parts: object, start: str) -> str:
    """Of the one picture of a plan; "" where it cannot be known: pictures are among what it is made of.

    Files count by name, size and time of change: hashes may still be on their way. parts: values of extensions' parts, which may change the
    finished picture. start: how the program was started, which chooses device and precision.
    """
    job, images = replace(plan.jobs[0], preview=PreviewOptions()), plan.images
    if job.init is not None or (job.hires is not None and job.hires.picture is not None):
        return ""
    if not job.subseed_strength:  # then the variation seed is drawn anew each time, and changes nothing
        job, images = replace(job, subseeds=()), tuple(replace(image, subseed=0) for image in images)
    told = [(key, plan.settings[key]) for key, setting in SETTINGS.items() if setting.section == "Infotext"]
    decided = _HASH.sub("", repr(job))  # the prompts stand in `images` once more
    words = repr((decided, images, sorted(plan.extra.items()), parts, told, start, VERSION, _identities(job, images, catalog)))
    return hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()


def _identities(job: GenerateJob, images: Sequence[PlannedImage], catalog: Catalog) -> list[tuple[str, int, int]]:
    """Of every file that may have a say, as it is now."""
    found = _files(job, repr(images).lower(), catalog)
    return [(entry.file, entry.size, entry.mtime_ns) for entry in found if entry]


def _files(job: GenerateJob, text: str, catalog: Catalog) -> Iterator[Entry | None]:
    """text: of all prompts, in small letters."""
    hires = job.hires
    for network in (*job.networks, *(hires.networks if hires else ())):
        yield catalog.find("lora", network.file.name)
    for model in (job.model, *((hires.model,) if hires else ()), *(refiner.model for refiner in (job.refiner, hires and hires.refiner) if refiner)):
        yield catalog.find("checkpoint", model.checkpoint.name)
        yield catalog.find("vae", model.vae.name) if model.vae else None
    if hires and hires.upscaler.file:
        yield catalog.find("upscaler", hires.upscaler.file.name)
    yield from (entry for entry in catalog.entries("embedding") if entry.stem.lower() in text)


class Kept:
    """A folder of PNG files; those that were asked for longest ago go first."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder, self._most = folder, most_bytes

    def get(self, key: str) -> tuple[Image.Image, str] | None:
        """The picture and its parameters."""
        path = self._folder / f"{key}.png"
        if not key or not path.is_file():
            return None
        try:
            image = open_image(path)
            os.utime(path)
        except (OSError, WebUIError):  # cut off: it is drawn again, and replaced
            return None
        return image, infotext_of(image)

    def put(self, key: str, image: Image.Image, infotext: str) -> None:
        """Raises OSError."""
        if not key:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{uuid4().hex}.part"
        try:
            temporary.write_bytes(encode(image, infotext, Encoding(format="png")))
            temporary.replace(self._folder / f"{key}.png")
        finally:
            temporary.unlink(missing_ok=True)
        self._forget(sorted(self._folder.glob("*.png"), key=lambda path: path.stat().st_mtime_ns))

    def _forget(self, oldest_first: Sequence[Path]) -> None:
        sizes = [path.stat().st_size for path in oldest_first]
        for path, over in zip(oldest_first[:-1], (sum(sizes[n:]) for n in range(len(sizes))), strict=False):
            if over > self._most:
                path.unlink(missing_ok=True)
