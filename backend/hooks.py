"""Every hook that an extension may fill, each with a heading in docs/extensions.md. An extension marks its functions with `hookimpl`.

These functions run in the front, where torch is not imported. What needs torch is named as a target, "module:function", which the engine calls.
"""

from collections.abc import Callable, Sequence

import pluggy

from backend.flags import Flags
from backend.paths import Paths
from backend.request import GenerationRequest
from backend.scripts import Part, Script, Session
from backend.settings import Settings
from backend.tasks import SavedImage

PROJECT = "webui"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def begin(paths: Paths, flags: Flags, settings: Settings, failed: Callable[[str, str, BaseException], str]) -> None:
    """Once, before all other hooks: where everything lies, and how the program was started.

    failed: names a problem (extension, where, error) on the page and in the log; gives the sentence that tells it.
    """


@hookspec
def scripts() -> Sequence[Script]:  # type: ignore[empty-body]
    """Scripts for the drop-down "Script", each taking the whole generation over. Asked once, at the start."""


@hookspec
def parts() -> Sequence[Part]:  # type: ignore[empty-body]
    """Accordions below the settings of txt2img and img2img, each taking part in every picture. Asked once, at the start."""


@hookspec
def draw(request: GenerationRequest, session: Session, save: bool, show: bool, grid: bool) -> Sequence[SavedImage] | None:
    """Takes the drawing of a request over, those of scripts too; None = it is drawn as usual. The first extension that gives something has done it.

    Inside, session.draw draws as usual and session.keep saves what was made of its pictures. What is raised ends the task with its message.
    """
