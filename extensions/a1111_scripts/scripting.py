"""A1111's script classes, and the runner that calls them one stage after the other: one runner for txt2img, one for img2img."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backend.errors import ERROR, Interrupted, WebUIError
from extensions.a1111_scripts.interface import Component, Recorder

log = logging.getLogger(__name__)

TABS = ("txt2img", "img2img")
# Methods of a script that are called where they are overridden, in A1111's order.
STAGES = (
    *("setup", "before_process", "process", "before_process_batch", "process_batch", "before_hr", "postprocess_batch", "postprocess_batch_list"),
    *("postprocess_image", "postprocess_maskoverlay", "postprocess_image_after_composite", "postprocess"),
)


class AlwaysVisible:
    """What `show` gives for a script that takes part in every picture."""

    def __bool__(self) -> bool:
        return True


ALWAYS = AlwaysVisible()


class Script:
    """modules.scripts.Script. Each stage may be overridden."""

    name: str | None = None
    section: str | None = None
    filename: str = ""
    args_from: int | None = None
    args_to: int | None = None
    alwayson = False
    is_txt2img = False
    is_img2img = False
    tabname: str | None = None
    group: Any = None
    create_group = True
    infotext_fields: Any = None
    paste_field_names: Any = None
    api_info: Any = None
    controls: Any = None
    setup_for_ui_only = False
    sorting_priority = 0
    extension: str = ""  # the folder that it is from

    def title(self) -> str:
        raise NotImplementedError

    def show(self, is_img2img: bool) -> Any:
        return True

    def ui(self, is_img2img: bool) -> Any:
        return None

    def run(self, p: Any, *args: Any) -> Any:
        return None

    def describe(self) -> str:
        return ""

    def elem_id(self, item_id: str) -> str:
        plain = "".join(letter for letter in self.title().lower() if letter.isalnum() or letter in " _").replace(" ", "_")
        return f"script_{self.tabname or ''}{'_' if self.tabname else ''}{plain}_{item_id}"


def _stage(name: str) -> Callable[..., None]:
    def stage(self: Script, p: Any, *args: Any, **named: Any) -> None:
        return None

    stage.__name__ = name
    return stage


for _name in STAGES:
    setattr(Script, _name, _stage(_name))


@dataclass
class PostprocessImageArgs:
    image: Any
    index: int = 0


@dataclass
class PostProcessMaskOverlayArgs:
    index: int = 0
    mask_for_overlay: Any = None
    overlay_image: Any = None


@dataclass
class PostprocessBatchListArgs:
    images: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Loaded:
    """One class of a script file; the rows of scripts_data."""

    script_class: type
    path: str
    basedir: str
    module: Any


class Pixels:
    """A picture of a batch where A1111 hands tensors over: it can be moved, repeated and left out; what is in it is only in the engine."""

    def __init__(self, index: int) -> None:
        self._index = index

    def __getattr__(self, name: str) -> Any:
        raise WebUIError("The pixels of a batch are tensors in A1111 and stay in the engine here: use postprocess_image, which gets a PIL picture.")

    __getitem__ = __setitem__ = __iter__ = __array__ = lambda self, *given, **named: self.__getattr__("")


Failed = Callable[[Script, str, BaseException], str]


class Runner:
    """modules.scripts.ScriptRunner. A script may copy it, and filter `alwayson_scripts`."""

    def __init__(self, tab: str, loaded: Iterable[Loaded], recorder: Recorder, failed: Failed) -> None:
        self.tab = tab
        self.is_img2img = tab == "img2img"
        self.scripts: list[Script] = []
        self.selectable_scripts: list[Script] = []
        self.alwayson_scripts: list[Script] = []
        self.titles: list[str] = []
        self.infotext_fields: list[Any] = []
        self.paste_field_names: list[str] = []
        self.inputs: list[Component | None] = [None]
        self.roots: Mapping[int, Component] = {}
        self._recorder, self._failed = recorder, failed
        self._ready = False
        for one in loaded:
            self._make(one)

    def _make(self, one: Loaded) -> None:
        script: Script = one.script_class()
        script.filename, script.extension = one.path, Path(one.basedir).name
        script.is_img2img, script.is_txt2img, script.tabname = self.is_img2img, not self.is_img2img, self.tab
        try:
            shown = script.show(self.is_img2img)
        except Exception as error:
            self._failed(script, "show", error)
            return
        if shown is ALWAYS:
            script.alwayson = True
            self.alwayson_scripts.append(script)
        elif shown:
            self.selectable_scripts.append(script)
        else:
            return
        self.scripts.append(script)
        self.titles = [title_of(selectable) for selectable in self.selectable_scripts]

    # ---- controls

    def prepare(self) -> Runner:
        """Runs `ui` of each script, once. A script whose `ui` fails is named and left out."""
        if not self._ready:
            self._ready, roots = True, {}
            for script in (*self.alwayson_scripts, *self.selectable_scripts):
                try:
                    roots[id(script)] = self._declare(script)
                except Exception as error:
                    self._failed(script, "ui", error)
                    for kept in (self.scripts, self.alwayson_scripts, self.selectable_scripts):
                        if script in kept:
                            kept.remove(script)
            self.roots = roots
        return self

    def _declare(self, script: Script) -> Component:
        root = _Root()
        self._recorder.enter(root)
        try:
            given = script.ui(self.is_img2img)
        finally:
            self._recorder.leave(root)
        components = () if given is None else (given,) if isinstance(given, Component) else tuple(given)
        script.args_from = len(self.inputs)
        self.inputs += components
        script.args_to = len(self.inputs)
        script.controls = components
        self.infotext_fields += script.infotext_fields or []
        self.paste_field_names += script.paste_field_names or []
        return root

    def defaults(self) -> list[Any]:
        return [0, *(component.value if component is not None else None for component in self.inputs[1:])]

    # ---- calling

    def args(self, script: Script, p: Any) -> Sequence[Any]:
        return () if script.args_from is None else p.script_args[script.args_from : script.args_to]

    def each(self, stage: str, p: Any, *arguments: Any, **named: Any) -> None:
        """Of the always-on scripts those that override the stage. What fails is told, and the picture goes on; an interruption ends it."""
        for script in list(self.alwayson_scripts):
            if overrides(script, stage):
                self._call(script, stage, p, arguments, named)

    def _call(self, script: Script, stage: str, p: Any, arguments: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        try:
            getattr(script, stage)(p, *arguments, *self.args(script, p), **named)
        except Interrupted:
            raise
        except Exception as error:
            p.comment(ERROR + self._failed(script, stage, error))

    def __getattr__(self, name: str) -> Any:
        """Each stage as a method, as A1111's runner has them: process(p), postprocess_image(p, pp), …"""
        if name in STAGES or name == "setup_scrips":
            return lambda p, *arguments, **named: self.each("setup" if name == "setup_scrips" else name, p, *arguments, **named)
        raise AttributeError(name)

    def run(self, p: Any, *args: Any) -> Any:
        """The selected script; None where none is."""
        chosen = args[0] if args else 0
        if not chosen or chosen > len(self.selectable_scripts):
            return None
        script = self.selectable_scripts[chosen - 1]
        return script.run(p, *args[script.args_from : script.args_to])

    def script(self, title: str) -> Script | None:
        return next((script for script in self.scripts if title_of(script).lower() == title.lower()), None)


class _Root(Component):
    """What all controls of one script lie in."""

    def __init__(self) -> None:
        self.children, self.events, self.kind, self.parent = [], [], "", None


def overrides(script: Script, stage: str) -> bool:
    return getattr(type(script), stage, None) is not getattr(Script, stage, None)


def title_of(script: Script) -> str:
    """A1111 shows the file's name where a script has no title."""
    try:
        return str(script.title())
    except NotImplementedError:
        return Path(script.filename).name
