"""Pictures that are drawn again to be compared: the last few, from the picture's file to the verdict. The same for page and API."""

import io
import uuid
from collections import OrderedDict
from threading import Lock
from typing import Literal

from PIL import Image

from backend.compare import Verdict, difference, judge, needs, request_of
from backend.errors import NotFound, WebUIError
from backend.images.metadata import infotext_of, open_image
from backend.service import GenerationService

REMEMBERED = 8
Which = Literal["before", "after", "difference"]


class Comparison:
    """One picture and the task that draws it again. problem: why it is not drawn; then there is no task."""

    def __init__(self, service: GenerationService, data: bytes, id_task: str) -> None:
        """Raises WebUIError for what is no picture."""
        self.id = uuid.uuid4().hex
        self.before = open_image(data)
        self.infotext = infotext_of(self.before)
        self.needs = needs(self.infotext, service.catalog)
        self.problem = ""
        self.task = None
        self._verdict: Verdict | None = None
        try:
            request = request_of(self.infotext, service.settings.current, service.catalog)
            self.task = service.submit(request, id_task=id_task, save_samples=False, save_grid=False)
        except WebUIError as error:
            self.problem = str(error)

    def verdict(self) -> Verdict | None:
        """None as long as there is nothing to compare; why there never will be, if the task went wrong."""
        if self._verdict is None and self.task is not None and self.task.ended:
            self._verdict = self._judged()
        return self._verdict

    def picture(self, which: Which) -> Image.Image:
        """Raises NotFound for one that is not there yet."""
        if which == "before":
            return self.before
        after = self._after()
        if after is None:
            raise NotFound("This picture is not drawn yet.")
        return after if which == "after" else difference(self.before, after)[0]

    def brighter(self) -> int:
        """By how much the difference picture is."""
        after = self._after()
        return 1 if after is None else difference(self.before, after)[1]

    def _after(self) -> Image.Image | None:
        drawn = [image for image in self.task.images if image.complete and not image.grid and not image.beside] if self.task else []
        return drawn[0].image if drawn else None

    def _judged(self) -> Verdict:
        assert self.task is not None
        after = self._after()
        if after is None:
            return Verdict(sentence=self.task.error or "It was stopped before it was drawn.")
        return judge(self.before, after, self.infotext, self.task.images[0].infotext, self.needs, self.task.settings)


class Comparisons:
    """Thread-safe."""

    def __init__(self, service: GenerationService) -> None:
        self._service = service
        self._lock = Lock()
        self._known: OrderedDict[str, Comparison] = OrderedDict()

    def begin(self, data: bytes, id_task: str = "") -> Comparison:
        comparison = Comparison(self._service, data, id_task)
        with self._lock:
            self._known[comparison.id] = comparison
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return comparison

    def get(self, id: str) -> Comparison:
        with self._lock:
            found = self._known.get(id)
        if found is None:
            raise NotFound("This comparison is not known any more.")
        return found


def told(comparison: Comparison) -> dict[str, object]:
    """As JSON."""
    task, verdict = comparison.task, comparison.verdict()
    return {
        "id": comparison.id,
        "task": task.id if task else None,
        "problem": comparison.problem,
        "needs": [{key: getattr(need, key) for key in ("kind", "name", "hash", "found", "note")} for need in comparison.needs],
        "state": task.state if task else "failed",
        "progress": round(task.progress, 4) if task else 0,
        "status": task.status if task else "",
        "verdict": None if verdict is None else {key: getattr(verdict, key) for key in ("sentence", "identical", "most", "mean", "psnr", "reasons")},
        "brighter": comparison.brighter() if verdict and verdict.most else 1,
    }


def png(image: Image.Image) -> bytes:
    """Pixels alone."""
    data = io.BytesIO()
    (image if image.mode in ("RGB", "RGBA", "L") else image.convert("RGB")).save(data, "png")
    return data.getvalue()
