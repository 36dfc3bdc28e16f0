"""The exceptions that every layer may raise."""

from typing import Any

ERROR = "Error: "  # how a comment begins that tells of something asked for and not done; the page shows it as such


class WebUIError(Exception):
    """Something the person can mend; the message is shown as it is: what was wrong, then what to do."""

    status = 422  # HTTP status that the API answers with


class NotFound(WebUIError):
    """A file, sampler, setting or task that does not exist."""

    status = 404


class Forbidden(WebUIError):
    """Not for this visitor."""

    status = 403


class EngineFailed(WebUIError):
    """The engine process died or raised; not the person's fault."""

    status = 500


class Interrupted(Exception):
    """Raised inside sampling when the person asked to stop (interrupt) or to go on with the next batch (skip).

    denoised: the latent as far as it got, or None where no step was done. pictures: of a drawing that was stopped, those that are there.
    """

    def __init__(self, denoised: Any = None, pictures: tuple[Any, ...] = ()) -> None:
        super().__init__()
        self.denoised = denoised
        self.pictures = pictures
