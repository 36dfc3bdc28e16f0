"""Previews for all cards without one, under /internal/previews: how far it is, and start, pause, continue, stop."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter, Response
from pydantic import BaseModel

from backend.errors import WebUIError
from backend.preview_job import KINDS, PreviewJob, Progress
from ui.library_routes import Explained, answer

NAMES = 3  # of the files with the same failure


class Order(BaseModel):
    """what: "start", "pause", "continue" or "stop"; kind: for "start"."""

    what: str
    kind: str = ""


def add_preview_routes(router: APIRouter, job: PreviewJob) -> None:
    orders: Mapping[str, Callable[[Order], None]] = {
        "start": lambda order: job.start(order.kind),
        "pause": lambda order: job.pause(),
        "continue": lambda order: job.resume(),
        "stop": lambda order: job.stop(),
    }

    @router.get("/previews")
    def read_previews() -> Response:
        return answer(_told(job.progress))

    @router.post("/previews")
    def order_previews(order: Order) -> Response:
        """Answers as GET does."""
        with Explained():
            if order.what not in orders:
                raise WebUIError(f"Unknown order {order.what!r}. Known: {', '.join(orders)}.")
            orders[order.what](order)
            return answer(_told(job.progress))


def _told(progress: Progress) -> dict[str, object]:
    return {
        "kinds": KINDS,
        "state": progress.state,
        "kind": progress.kind or "",
        "active": progress.active,
        "total": progress.total,
        "made": progress.made,
        "failed": progress.failed,
        "name": progress.name,
        "said": progress.said,
        "failures": [{"reason": reason, "count": len(names), "names": names[:NAMES]} for reason, names in progress.failures.items()],
    }
