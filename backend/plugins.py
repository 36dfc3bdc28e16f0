"""The extensions that are loaded, and the calls of their hooks: what one of them raises is named and passed over, and the others go on."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Generic, TypeVar

import pluggy

from backend import hooks
from backend.added import Added
from backend.catalog import Catalog
from backend.controls import Control, complete, from_positions
from backend.errors import ERROR, Interrupted, WebUIError
from backend.extras_steps import STEPS, ExtrasStep
from backend.job import NamedUpscaler
from backend.plan_upscalers import UPSCALER_NAMES
from backend.prompts.expansion import Expand, PromptContext, PromptTexts
from backend.sampling.names import LATENT_UPSCALE_MODES
from backend.sampling_hooks import sampling_names
from backend.scripts import PageTab, Part, Script
from backend.settings import SETTINGS, Setting, Settings

log = logging.getLogger(__name__)

OWN_TABS = ("txt2img", "img2img", "extras", "pnginfo", "history", "settings", "extensions", "modelmerger", "loratools", "train")

Value = TypeVar("Value")
Which = TypeVar("Which", Script, Part)


@dataclass(frozen=True, kw_only=True)
class Extension:
    """One that was found. error: why it is not loaded though it is on."""

    name: str  # of its folder or entry point
    title: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()  # names of other extensions
    folder: Path | None = None  # None = an installed package
    shipped: bool = False
    for_a1111: bool = False  # without extension.py: the extension a1111_scripts carries it
    enabled: bool = True
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Owned(Generic[Which]):
    """A script or part, and the name of the extension that it is from."""

    extension: str
    of: Which


@dataclass(frozen=True, kw_only=True)
class Problem:
    extension: str
    where: str  # "controls of X/Y/Z plot"
    error: str


class Hooks:
    """What the loaded extensions add. plugins: module or object by the extension's name. Thread-safe."""

    def __init__(self, extensions: Iterable[Extension] = (), plugins: Mapping[str, object] | None = None, **start: Any) -> None:
        """start: what the hook `begin` is told; nothing = it is not called."""
        self._lock = Lock()
        self._problems: tuple[Problem, ...] = ()
        self._manager = pluggy.PluginManager(hooks.PROJECT)
        self._manager.add_hookspecs(hooks)
        # The last one registered is the first one called.
        refused = {name: error for name, plugin in reversed(tuple((plugins or {}).items())) if (error := self._register(name, plugin))}
        self.extensions = tuple(replace(one, error=refused.get(one.name, one.error)) for one in extensions)
        if start:
            list(self.call("begin", **start, failed=self.failed))
        self._scripts = self._titled("scripts", Script.__name__)
        self._parts = self._titled("parts", Part.__name__)
        self.settings = self._settings()
        self.extras_steps = self._extras_steps()
        off = tuple(one.title or one.name for one in self.extensions if one.error or not one.enabled)
        samplers, schedulers = tuple(self.call("samplers")), tuple(self.call("schedulers"))
        sampling = sampling_names(samplers, schedulers, {*SETTINGS, *self.settings}, off, self.failed)
        self.added = Added(sampling=sampling, upscalers=self._upscalers())

    # ---- what there is

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What went wrong since the start, the last one of each place."""
        return self._problems

    def scripts(self, tab: str) -> tuple[Owned[Script], ...]:
        return tuple(owned for owned in self._scripts if tab in owned.of.tabs)

    def parts(self, tab: str) -> tuple[Owned[Part], ...]:
        return tuple(owned for owned in self._parts if tab in owned.of.tabs)

    def script(self, title: str, tab: str) -> Owned[Script]:
        """By its title, in any case. Raises WebUIError in A1111's words, with the known ones."""
        return _find(title, self.scripts(tab))

    def part(self, title: str, tab: str) -> Owned[Part]:
        return _find(title, self.parts(tab))

    def controls(self, owned: Owned[Script] | Owned[Part], tab: str, catalog: Catalog, settings: Settings) -> tuple[Control, ...]:
        """Raises WebUIError, with the extension's name, where it fails to tell them."""
        try:
            return tuple(owned.of.controls(tab, catalog, settings))
        except Exception as error:
            raise WebUIError(self.failed(owned.extension, f"the controls of {owned.of.title}", error)) from error

    def values(self, owned: Owned[Script] | Owned[Part], given: Mapping[str, Any], tab: str, catalog: Catalog, settings: Settings) -> dict[str, Any]:
        """A value for every control. Raises WebUIError for what a control does not take."""
        return complete(self.controls(owned, tab, catalog, settings), given, catalog)

    def positional(self, owned: Owned[Script] | Owned[Part], args: list[Any], tab: str, catalog: Catalog, settings: Settings) -> dict[str, Any]:
        """Likewise, of A1111's arguments."""
        return from_positions(self.controls(owned, tab, catalog, settings), args, catalog)

    def expander(self, data: Path, tell: Callable[[str], None]) -> Expand | None:
        """All prompt syntaxes, one after another; None where there is none. tell: of what fails."""
        if not self.fillers("expand_prompts"):
            return None

        def expand(context: PromptContext) -> PromptTexts:
            labels, comments, context = [], [], replace(context, data=data)
            for extension, fill in self.fillers("expand_prompts"):
                texts = self.guarded(extension, "expand_prompts", None, tell, partial(_expanded, fill, context))
                if texts is not None:
                    context = replace(context, prompt=texts.prompt, negative_prompt=texts.negative_prompt)
                    labels += texts.labels
                    comments += texts.comments
            return PromptTexts(prompt=context.prompt, negative_prompt=context.negative_prompt, labels=tuple(labels), comments=tuple(comments))

        return expand

    def tabs(self, service: Any) -> tuple[tuple[str, PageTab], ...]:
        """(extension, tab); an id that is taken or is none is a problem."""
        found: dict[str, tuple[str, PageTab]] = {}
        for extension, tab in ((extension, tab) for extension, tabs in self.call("tabs", service=service) for tab in tabs):
            if re.fullmatch(r"\w+", tab.id) and tab.id not in (*found, *OWN_TABS):
                found[tab.id] = (extension, tab)
            else:
                self.failed(extension, "tabs", WebUIError(f"Tab {tab.id!r}: an id of its own, of letters and digits, is needed."))
        return tuple(found.values())

    def page_files(self) -> tuple[tuple[str, Path], ...]:
        return tuple((extension, Path(file)) for extension, files in self.call("page_files") for file in files)

    # ---- calling

    def call(self, hook: str, /, *, tell: Callable[[str], None] = lambda sentence: None, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """(extension, what it gave) of each that fills this hook, in the order of their loading. What fails is told, and passed over."""
        for extension, act in self.filling(hook, **arguments):
            try:
                given = act()
            except Exception as error:
                tell(ERROR + self.failed(extension, hook, error))
                continue
            if given is not None:
                yield extension, given

    def filling(self, hook: str, /, **arguments: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
        """(extension, its call) of each that fills this hook, in the order of their loading."""
        for extension, fill in self.fillers(hook):
            yield extension, partial(fill, **arguments)

    def fillers(self, hook: str) -> tuple[tuple[str, Callable[..., Any]], ...]:
        """(extension, its function) of each that fills this hook; it takes all arguments, and hands on those that it has named."""
        implementations: list[pluggy.HookImpl] = getattr(self._manager.hook, hook).get_hookimpls()
        return tuple((one.plugin_name, partial(_fill, one)) for one in reversed(implementations))

    def guarded(self, extension: str, where: str, usual: Value, tell: Callable[[str], None], act: Callable[[], Value]) -> Value:
        """What `act` gives, or, where it fails, the usual."""
        try:
            return act()
        except Interrupted:
            raise
        except Exception as error:
            tell(ERROR + self.failed(extension, where, error))
            return usual

    @contextmanager
    def watched(self, extension: str, where: str) -> Iterator[None]:
        """What fails inside is noted, and goes no further."""
        try:
            yield
        except Exception as error:
            self.failed(extension, where, error)

    def failed(self, extension: str, where: str, error: BaseException) -> str:
        """Notes and logs it; gives the sentence that tells it."""
        text = str(error) if isinstance(error, WebUIError) else f"{type(error).__name__}: {error}"
        problem = Problem(extension=extension, where=where, error=text)
        with self._lock:
            self._problems = (*(one for one in self._problems if (one.extension, one.where) != (extension, where)), problem)
        log.error("The extension %s failed (%s): %s", extension, where, text, exc_info=None if isinstance(error, WebUIError) else error)
        return f"The extension {extension} failed ({where}): {text}"

    # ---- loading

    def _register(self, name: str, plugin: object) -> str:
        """What is wrong with it; "" where it is in."""
        try:
            self._manager.register(plugin, name=name)
            for caller in self._manager.get_hookcallers(plugin) or ():
                for implementation in caller.get_hookimpls():
                    if implementation.plugin_name == name and not caller.has_spec():
                        raise WebUIError(f"There is no hook {caller.name!r} in this version.")
                    if implementation.plugin_name == name and (implementation.wrapper or implementation.hookwrapper):
                        raise WebUIError(f"{caller.name}: hooks cannot be wrapped.")
            return ""
        except (pluggy.PluginValidationError, WebUIError) as error:
            log.error("The extension %s cannot be loaded: %s", name, error)
            if self._manager.get_plugin(name) is not None:
                self._manager.unregister(name=name)
            return str(error)

    def _settings(self) -> Mapping[str, Setting]:
        """By key; one that is taken, or whose default is no value that it takes, is a problem."""
        found: dict[str, Setting] = {}
        for extension, setting in ((extension, setting) for extension, added in self.call("settings") for setting in added):
            if setting.key in found or setting.key in SETTINGS or not setting.allows(setting.default):
                self.failed(extension, "settings", WebUIError(f"Setting {setting.key!r}: a key of its own and a default that it takes are needed."))
            else:
                found[setting.key] = setting
        return found

    def _extras_steps(self) -> tuple[ExtrasStep, ...]:
        """The program's own, and those that were added."""
        found = {step.name: step for step in STEPS}
        for extension, step in ((extension, step) for extension, added in self.call("postprocessing_steps") for step in added):
            if step.name in found or "/" in step.name:
                self.failed(extension, "postprocessing_steps", WebUIError(f"Step {step.name!r}: a name of its own, without /, is needed."))
            else:
                found[step.name] = step
        return tuple(found.values())

    def _upscalers(self) -> tuple[NamedUpscaler, ...]:
        found: dict[str, NamedUpscaler] = {}
        taken = {*UPSCALER_NAMES, *(mode.label for mode in LATENT_UPSCALE_MODES)}
        for extension, one in ((extension, one) for extension, added in self.call("upscalers") for one in added):
            if one.name and one.name not in found and one.name not in taken and one.scale >= 1:
                found[one.name] = replace(one, extension=extension)
            else:
                self.failed(extension, "upscalers", WebUIError(f"Upscaler {one.name!r}: a name of its own and a scale of at least 1 are needed."))
        return tuple(found.values())

    def _titled(self, hook: str, kind: str) -> tuple[Owned[Any], ...]:
        found: dict[str, Owned[Any]] = {}
        for extension, added in self.call(hook):
            for one in added:
                if (title := str(getattr(one, "title", "")).lower()) and title not in found:
                    found[title] = Owned(extension=extension, of=one)
                else:
                    self.failed(extension, hook, WebUIError(f"{kind} {title!r}: a title of its own is needed."))
        return tuple(found.values())


def _fill(implementation: pluggy.HookImpl, **arguments: Any) -> Any:
    return implementation.function(**{name: arguments[name] for name in implementation.argnames})


def _expanded(fill: Callable[..., Any], context: PromptContext) -> PromptTexts | None:
    texts = fill(context=context)
    if texts is not None and not isinstance(texts, PromptTexts):
        raise TypeError(f"it gave {type(texts).__name__} instead of PromptTexts")
    return texts


def _find(title: str, known: tuple[Owned[Which], ...]) -> Owned[Which]:
    found = next((owned for owned in known if owned.of.title.lower() == title.lower()), None)
    if found is None:
        names = ", ".join(repr(owned.of.title) for owned in known)
        raise WebUIError(f"Script '{title}' not found. Known: {names or 'none'}.")
    return found
