"""All that scripts of A1111's form share while the program runs: what was loaded, the runners, and the session that is at work."""

from __future__ import annotations

import argparse
import json
import logging
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from threading import local
from types import MappingProxyType, ModuleType, SimpleNamespace
from typing import Any

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.extensions import made_for_a1111
from backend.flags import Flags
from backend.paths import Paths
from backend.scripts import Session
from backend.settings import Settings
from backend.tasks import SavedImage
from extensions.a1111_scripts import processing
from extensions.a1111_scripts.callbacks import Callbacks, ImageSaveParams
from extensions.a1111_scripts.drawing import Walk, create_infotext, get_fixed_seed
from extensions.a1111_scripts.found import OWN, Found, find
from extensions.a1111_scripts.interface import Gradio
from extensions.a1111_scripts.loading import GRADIO, A1111Importer, ShimModule, shim_modules
from extensions.a1111_scripts.options import Options, State
from extensions.a1111_scripts.scan import scan
from extensions.a1111_scripts.scripting import TABS, Loaded, Runner, Script, title_of
from extensions.a1111_scripts.shim import Model, checkpoint_info, offered

log = logging.getLogger(__name__)

STATIC = Path(__file__).parent / "static"

# When the engine calls which function of `engine`.
MOMENTS: Mapping[str, str] = MappingProxyType({"before call": "before_call", "after call": "after_call", "after step": "after_step"})
Failed = Callable[[str, str, BaseException], str]  # (extension, where, error) → the sentence that tells it


class Host:
    """Built once, by `load`; after that nothing is added."""

    def __init__(self, paths: Paths, flags: Flags, settings: Settings, failed: Failed, *, only: frozenset[str] | None = None, device: Any = "cpu") -> None:
        """only: names of those that are loaded; None = all. device: what modules.devices says."""
        self.paths, self.flags, self.settings = paths, flags, settings
        self.device = device
        self.catalog: Catalog | None = None
        self.failed = failed
        off = {one.name for one in made_for_a1111(paths, settings, flags) if not one.enabled}
        self.found = tuple(one for one in find(paths) if (one.name not in off if only is None else one.name in only))
        self.usable: tuple[Found, ...] = ()  # of these, what nothing is refused of
        self.stepping: frozenset[str] = frozenset()  # of these, what the engine loads as well
        self.service: Any = None  # once page or API are built
        self.gradio = Gradio.new()
        self.loaded: list[Loaded] = []
        self.runners: dict[str, Runner] = {}
        self._local = local()
        self.importer = A1111Importer({}, ())
        self.callbacks = Callbacks(lambda: self.importer.loading.name if self.importer.loading else "", self._owner, failed)
        self.options = Options(self.chosen, _stored(paths.config_file))
        self.state = State(lambda: self._stack[-1].session if self._stack else None)
        self.cmd_opts = SimpleNamespace(**{field.name: getattr(flags, field.name) for field in fields(flags)})
        self._bound = processing.Bound()

    # ---- loading

    def load(self) -> Host:
        """Reads, checks and runs what is there. What cannot be carried is named, and the others go on."""
        self._preload()
        names = offered(self)
        modules: dict[str, ModuleType] = shim_modules(names)
        gradio = ShimModule(GRADIO)
        gradio.__dict__.update(self.gradio.names, __path__=[])
        known = {name: frozenset(vars(module)) for name, module in modules.items()}
        self.usable = usable = tuple(one for one in self.found if self._allowed(one, known))
        self.stepping = frozenset(one.name for one in usable if one.steps)
        self.importer = A1111Importer({**modules, GRADIO: gradio}, usable)
        self.importer.install()
        for one in usable:
            self._run_scripts(one)
        self.callbacks.call("before_ui")
        self.callbacks.call("ui_settings")
        self.runners = {tab: Runner(tab, self.loaded, self.gradio.recorder, self._script_failed) for tab in TABS}
        return self

    def _preload(self) -> None:
        """The flags of `preload.py` get what the setting says, else their defaults."""
        parser = argparse.ArgumentParser(exit_on_error=False, add_help=False)
        for one in self.found:
            file = one.folder / "preload.py"
            if file.is_file() and one.name != OWN:
                try:
                    self.importer.load(file).preload(parser)
                except Exception as error:
                    self.failed(one.name, "preload.py", error)
        try:
            given, unknown = parser.parse_known_args(shlex.split(self.settings["a1111_scripts_flags"]))
        except (argparse.ArgumentError, ValueError) as error:
            self.failed("a1111_scripts", "the setting a1111_scripts_flags", error)
            given, unknown = parser.parse_args([]), []
        if unknown:
            log.warning("No extension knows %s (setting a1111_scripts_flags)", " ".join(unknown))
        for name, value in vars(given).items():
            if not hasattr(self.cmd_opts, name):
                setattr(self.cmd_opts, name, value)

    def _allowed(self, one: Found, known: Mapping[str, frozenset[str]]) -> bool:
        files = one.scripts if one.name == OWN else None
        refusals = scan(one.name, one.folder, known, files)
        for refusal in refusals:
            self.failed(one.name, f"needs {refusal.symbol}", WebUIError(str(refusal)))
        return not refusals

    def _run_scripts(self, one: Found) -> None:
        for file in one.scripts:
            with self.importer.inside(one):
                try:
                    module = self.importer.load(file)
                except (Exception, SystemExit) as error:  # whatever a stranger's module comes up with as it is imported
                    self.failed(one.name, file.name, error)
                    continue
            classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Script) and value is not Script]
            self.loaded += [Loaded(cls, str(file), str(one.folder), module) for cls in dict.fromkeys(classes)]

    def _script_failed(self, script: Script, stage: str, error: BaseException) -> str:
        return self.failed(script.extension, f"{stage} of {Path(script.filename).name}", error)

    def _owner(self, function: Any) -> str:
        code = getattr(function, "__code__", None)
        file = Path(code.co_filename) if code is not None else self.paths.data
        return next((one.name for one in self.usable if one.name != OWN and file.is_relative_to(one.folder)), OWN)

    # ---- at work

    @contextmanager
    def within(self, session: Session, native_parts: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
        """While this session runs scripts, in this thread."""
        self.catalog, self.settings = session.catalog, session.settings
        self._stack.append(_Work(session, native_parts))
        try:
            yield
        finally:
            self._stack.pop()
            if not self._stack:
                self.options.forget()

    @property
    def _stack(self) -> list[_Work]:
        if not hasattr(self._local, "stack"):
            self._local.stack = []
        return self._local.stack

    @property
    def walking(self) -> bool:
        """Whether process_images is under way in this thread."""
        return bool(self._stack) and self._stack[-1].walks > 0

    def current(self) -> Session:
        if not self._stack:
            raise WebUIError("Pictures are drawn for scripts while one of them runs, and not from elsewhere.")
        return self._stack[-1].session

    def kept(self, image: Any) -> SavedImage | None:
        """What this picture of process_images was saved as."""
        return self._stack[-1].kept.get(id(image)) if self._stack else None

    def walk(self, p: Any, *, shown: bool, saved: bool = True, grid: bool = True) -> tuple[processing.Processed, tuple[SavedImage, ...]]:
        session, work = self.current(), self._stack[-1]
        settings = session.settings.override({**self.options.changed, **p.override_settings})
        work.walks += 1
        before, work.notes = work.notes, {"tab": p.tab}
        try:
            walk = Walk(
                p=p,
                session=session,
                callbacks=self.callbacks,
                before_saving=ImageSaveParams,
                native_parts=work.native_parts,
                settings=settings,
                notes=work.notes,
                changed=lambda: self.options.changed,
                shown=shown,
                saved=saved,
                grid=grid,
            )
            processed, kept = walk.run()
        finally:
            work.walks -= 1
            work.notes = before
        work.kept.update((id(one.pixels), one) for one in kept)
        return processed, kept

    def engine_calls(self, title: str) -> Iterator[tuple[Any, str, dict[str, Any]]]:
        """(moment, target, options) for the batch that is to be drawn now."""
        notes = self._stack[-1].notes if self._stack else {}
        if not self.stepping or "batch" not in notes:
            return
        stepping = [script for script in self.runners[notes["tab"]].alwayson_scripts if script.extension in self.stepping]
        titles = [title_of(script) for script in stepping if title_of(script) in notes["args"]]
        if title not in titles[:1]:
            return
        told = {key: value for key, value in self.options.data.items() if processing.plain(value)}
        options = {**notes, "only": self.stepping, "paths": self.paths, "flags": self.flags, "settings": told}
        for at, function in MOMENTS.items():
            yield at, f"extensions.a1111_scripts.engine:{function}", options

    def processing_names(self) -> dict[str, Any]:
        """modules.processing. Its classes are this host's own: they reach its session."""
        bound = self._bound
        bound.comment = lambda text: self.current().comment(text) if self._stack else None
        bound.model = self.model
        bound.outpaths = self._outpaths
        plain = processing.StableDiffusionProcessing
        plain.bound = bound
        return {
            "StableDiffusionProcessing": plain,
            "StableDiffusionProcessingTxt2Img": processing.StableDiffusionProcessingTxt2Img,
            "StableDiffusionProcessingImg2Img": processing.StableDiffusionProcessingImg2Img,
            "Processed": processing.Processed,
            "process_images": lambda p: self.walk(p, shown=False)[0],
            "fix_seed": _fix_seed,
            "get_fixed_seed": get_fixed_seed,
            "create_infotext": self._infotext,
            "program_version": lambda: "v1.10.1",
        }

    def _infotext(self, p: Any, all_prompts: Any, all_seeds: Any, all_subseeds: Any, comments: Any = None, *place: int, **named: Any) -> str:
        """place: iteration and position_in_batch."""
        iteration, position = (*place, 0, 0)[0], (*place, 0, 0)[1]
        iteration, position = named.get("iteration", iteration), named.get("position_in_batch", position)
        index = named.get("index")
        index = iteration * int(p.batch_size) + position if index is None else index
        negatives = named.get("all_negative_prompts") or p.all_negative_prompts or [p.negative_prompt] * len(all_prompts)
        return create_infotext(p, self.current(), all_prompts, negatives, all_seeds, all_subseeds, index)

    def _outpaths(self, tab: str) -> tuple[str, str]:
        chosen = self.chosen()
        samples = chosen["outdir_samples"] or chosen[f"outdir_{tab}_samples"]
        grids = chosen["outdir_grids"] or chosen[f"outdir_{tab}_grids"]
        return str(self.paths.data / samples), str(self.paths.data / grids)

    def chosen(self) -> Settings:
        """Of the running job; between jobs the person's of now."""
        return self._stack[-1].session.settings if self._stack else self.service.settings.current if self.service else self.settings

    # ---- files

    def page_files(self) -> tuple[Path, ...]:
        """A1111's own functions first, then what the extensions have."""
        files = [file for one in self.usable if one.name != OWN for file in (*one.javascript, *filter(None, [one.style]))]
        return (STATIC / "a1111.js", STATIC / "a1111.css", *files) if self.usable else ()

    def serve(self, service: Any) -> None:
        self.service, self.catalog = service, service.catalog

    def model(self) -> Any:
        if self.catalog is None:
            raise AttributeError("shared.sd_model is not known yet: scripts are imported before the models are listed.")
        return Model(self)

    def entries(self, kind: Any) -> tuple[Any, ...]:
        return self.catalog.entries(kind) if self.catalog else ()

    def titles(self) -> list[str]:
        return [self.catalog.title(entry) for entry in self.entries("checkpoint")] if self.catalog else []

    def info(self, entry: Any) -> Any:
        return checkpoint_info(self, entry)

    def closest(self, name: str) -> Any:
        entry = self.catalog.find("checkpoint", name) if self.catalog else None
        return self.info(entry) if entry else None

    def list_scripts(self, folder: str, extension: str, *, include_extensions: bool = True) -> list[Any]:
        """Files of that kind in that folder of each extension, as rows with basedir, filename and path."""
        found = [(one, file) for one in self.found for file in sorted((one.folder / folder).glob(f"*{extension}"))]
        return [SimpleNamespace(basedir=str(one.folder), filename=file.name, path=str(file)) for one, file in found]


class _Work:
    """One session on this thread's stack."""

    def __init__(self, session: Session, native_parts: Mapping[str, Mapping[str, Any]]) -> None:
        self.session, self.native_parts = session, native_parts
        self.walks = 0
        self.notes: dict[str, Any] = {}  # of the innermost walk
        self.kept: dict[int, SavedImage] = {}


def _fix_seed(p: Any) -> None:
    p.seed, p.subseed = get_fixed_seed(p.seed), get_fixed_seed(p.subseed)


def _stored(config: Path) -> dict[str, Any]:
    """config.json as it is: keys of extensions are in it as well."""
    try:
        found = json.loads(config.read_text("utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
