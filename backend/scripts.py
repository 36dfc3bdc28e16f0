"""What an extension may add to drawing: a script, which takes the whole generation over, and a part, which takes part in every picture.

Both have controls, a running one gets the values by key. No torch here: a script asks for pictures (Session.draw), an engine draws them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from PIL import Image

from backend.catalog import Catalog
from backend.controls import Control, Update
from backend.extras_request import ExtrasRequest
from backend.job import EngineCall
from backend.paths import Paths
from backend.plan import Plan
from backend.request import GenerationRequest, ScriptCall
from backend.settings import Settings
from backend.tasks import SavedImage

__all__ = ["Control", "EngineCall", "PageTab", "Part", "PartContext", "Script", "ScriptCall", "Session", "Update"]

TABS = ("txt2img", "img2img")
NO_LABELS: Mapping[str, str] = MappingProxyType({})


class Session(Protocol):
    """What a running script may do. It lives in the thread of the service, inside the running task; every call blocks until it is done."""

    settings: Settings  # the person's, with what the request overrides
    catalog: Catalog
    paths: Paths
    tab: str
    task_id: str

    @property
    def interrupted(self) -> bool:
        """Interrupt was pressed: stop soon, what is there stays."""
        ...

    def expect(self, pictures: int) -> None:
        """For progress and time to go: how many pictures there will be in all."""
        ...

    def fixed(self, request: GenerationRequest) -> GenerationRequest:
        """With its seeds drawn: -1 is a number from here on."""
        ...

    def decide(self, request: GenerationRequest) -> Plan:
        """What `draw` would have the engine do, parts and prompt syntaxes included; nothing is drawn. Raises WebUIError."""
        ...

    def draw(
        self,
        request: GenerationRequest,
        *,
        save: bool = True,
        show: bool = True,
        grid: bool = False,
        note: str = "",
        extra: Mapping[str, str] = NO_LABELS,
        finished: bool = True,
        engine: Sequence[EngineCall] = (),
    ) -> tuple[SavedImage, ...]:
        """The pictures of this request, one after the other; each is saved and shown at once. Parts take part in them; the request's own script does not.

        save, show: files, and the gallery and the answer. grid: what the settings say of a grid holds, too. note: shown until the first step.
        extra: fields of the script's own for the parameters of each picture. finished: False = `keep` will save them; what comes beside a picture is saved.
        engine: functions of the script's own that the engine calls on the way of these pictures, as a part's.
        Pictures that were skipped come with complete=False. Raises WebUIError for what cannot be drawn (catch it, and go on with the next one) and
        Interrupted (catch it, and make of what is there, its `pictures` among it, what can be made).
        """
        ...

    def keep(self, picture: SavedImage, image: Image.Image, infotext: str, *, save: bool = True, show: bool = True) -> SavedImage:
        """What was made of a picture of `draw`: under the name and in the folder that the picture would have had, if the settings save pictures at all."""
        ...

    def add(self, image: Image.Image, infotext: str, *, grid: bool = False, save: bool | None = None, front: bool = False) -> None:
        """A picture or grid of the script's own. save None: as the settings say. front: before all others."""
        ...

    def hide(self, images: Iterable[SavedImage]) -> None:
        """Pictures that were shown while the script ran, and are not part of what it gives. Their files stay."""
        ...

    def infotext(self, images: Sequence[SavedImage], extra: Mapping[str, str]) -> str:
        """The parameters of the first of these pictures, and the script's own fields behind them."""
        ...

    def comment(self, *sentences: str) -> None:
        """For the person, under the pictures; "Error: …" is shown as such."""
        ...

    def extras(self, request: ExtrasRequest) -> tuple[Image.Image, ...]:
        """Its pictures through its steps; nothing is saved or shown. Raises WebUIError and Interrupted."""
        ...

    def upscale(self, image: Image.Image, name: str, scale: float) -> Image.Image:
        """By an upscaler's name. Raises WebUIError and Interrupted."""
        ...


class Script(Protocol):
    """Chosen on the page, or named over the API. One with the attribute `listed = False` is not in the page's drop-down."""

    @property
    def title(self) -> str:
        """A1111's; how a request names it, in any case."""
        ...

    @property
    def tabs(self) -> tuple[str, ...]:
        """Of TABS."""
        ...

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        """Their order is that of A1111's positional script_args."""
        ...

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        """values: of every control, in its type. What is raised ends the task with its message; what was drawn stays."""
        ...


@runtime_checkable
class ReadsInfotext(Protocol):
    """A script that has this as well is chosen, and filled, by pictures whose parameters say "Script: <its title>"."""

    def read_infotext(self, labels: Mapping[str, str]) -> Mapping[str, Any]:
        """The parameters → values of the controls. Those that are not named stay as they are on the page."""
        ...


@dataclass(frozen=True, kw_only=True)
class PartContext:
    """Where a part is at work. plan and index: of the picture, once it was decided."""

    settings: Settings
    catalog: Catalog
    paths: Paths
    tab: str
    task_id: str
    plan: Plan | None = None
    index: int = 0


class Part:
    """An accordion on the page, and a step on the way of every picture: each method may be left as it is.

    What is raised becomes a comment that names the extension; the picture goes on without it.
    """

    title: str  # how a request names it, in any case
    tabs: tuple[str, ...] = TABS
    enabled: str = ""  # key of the checkbox that switches it on; "" = it always acts

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        """Their order is that of A1111's positional args."""
        return ()

    def change_request(self, request: GenerationRequest, values: Mapping[str, Any], context: PartContext) -> GenerationRequest:
        """Before anything is decided: prompts, size, steps, override_settings."""
        return request

    def change_plan(self, plan: Plan, values: Mapping[str, Any], context: PartContext) -> Plan:
        """After it: the jobs as the engine will get them, seeds and names resolved."""
        return plan

    def change_picture(self, image: Image.Image, values: Mapping[str, Any], context: PartContext) -> Image.Image:
        """As it came from the engine, before it is saved and shown. context.plan and context.index say which one it is."""
        return image

    def engine(self, values: Mapping[str, Any]) -> Sequence[EngineCall]:
        """What happens to the latents in the engine, which has torch: functions of a module that extension.py does not import."""
        return ()

    def infotext(self, values: Mapping[str, Any]) -> Mapping[str, str]:
        """Fields for the parameters of each picture."""
        return {}

    def read_infotext(self, labels: Mapping[str, str]) -> Mapping[str, Any]:
        """The inverse: the parameters of a picture → values of the controls. Those that are not named stay as they are on the page."""
        return {}


@dataclass(frozen=True, kw_only=True)
class PageTab:
    """A tab of the page. draw makes its Gradio components, inside the tab."""

    title: str
    id: str  # plain letters; the page's element is tab_<id>
    draw: Callable[[], None]
