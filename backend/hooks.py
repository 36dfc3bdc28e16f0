"""Every hook that an extension may fill, each with a heading in docs/extensions.md. An extension marks its functions with `hookimpl`.

These functions run in the front, where torch is not imported. What needs torch is named as a target, "module:function", which the engine calls.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from backend.extras_steps import ExtrasStep
from backend.flags import Flags
from backend.job import NamedUpscaler
from backend.paths import Paths
from backend.prompts.expansion import PromptContext, PromptTexts
from backend.request import GenerationRequest
from backend.sampling.names import SamplerInfo, SchedulerInfo
from backend.scripts import PageTab, Part, Script, Session
from backend.settings import Setting, Settings
from backend.tasks import SavedImage

if TYPE_CHECKING:
    from fastapi import APIRouter

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


@hookspec
def expand_prompts(context: PromptContext) -> PromptTexts | None:
    """A syntax of its own: the texts of one picture, replaced, before tags and prompt editing are read. None = they stay. Extensions come one after another."""


@hookspec
def postprocessing_steps() -> Sequence[ExtrasStep]:  # type: ignore[empty-body]
    """Steps of the Extras tab: pixels → pixels, by a function of the engine."""


@hookspec
def upscalers() -> Sequence[NamedUpscaler]:  # type: ignore[empty-body]
    """Upscalers by name, wherever one is chosen: Extras, Hires. fix, img2img, SD upscale, X/Y/Z plot, the API. Asked once, at the start."""


@hookspec
def samplers() -> Sequence[SamplerInfo]:  # type: ignore[empty-body]
    """Samplers: a label and facts, and a target that the engine calls to draw (sampling.added_sampler). Asked once, at the start."""


@hookspec
def schedulers() -> Sequence[SchedulerInfo]:  # type: ignore[empty-body]
    """Schedule types: a label, and a target that the engine calls for the noise levels. Asked once, at the start."""


@hookspec
def settings() -> Sequence[Setting]:  # type: ignore[empty-body]
    """Settings of its own, with keys of its own: they stand in the Settings tab under their section, in config.json and in /sdapi/v1/options."""


@hookspec
def tabs(service: Any) -> Sequence[PageTab]:  # type: ignore[empty-body]
    """Tabs of the page. service: backend.service.GenerationService, over which a tab asks for pictures and looks at tasks and files."""


@hookspec
def api_routes(service: Any) -> "APIRouter":  # type: ignore[empty-body]
    """Addresses of its own, behind the same logins as the API, and served where the API is; those of the program go before."""


@hookspec
def page_routes(service: Any) -> "APIRouter":  # type: ignore[empty-body]
    """Addresses for its own JavaScript: behind the login of the page, and served wherever the page is, also to other machines without --api."""


@hookspec
def page_files() -> Sequence[Path]:  # type: ignore[empty-body]
    """Its .js, .mjs and .css files: they stand in the page after the program's own."""
