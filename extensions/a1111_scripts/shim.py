"""The names that scripts of A1111's form import, and what stands behind each."""

from __future__ import annotations

import base64
import importlib.util
import io
import logging
import os
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from threading import RLock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from PIL import Image

from backend.errors import WebUIError
from backend.images.grid import image_grid, row_count
from backend.images.mask import flattened
from backend.images.metadata import Encoding, infotext_of, other_items
from backend.images.resize import resize
from backend.images.save import save_image
from backend.infotext import read
from backend.plan_models import chosen_checkpoint
from backend.plan_upscalers import upscalers
from backend.prompts.extra_networks import parse
from backend.prompts.style_file import StyleFiles
from backend.request import GenerationRequest
from backend.sampling.names import SAMPLERS, SCHEDULERS
from extensions.a1111_scripts import options, scripting
from extensions.a1111_scripts.components import components

if TYPE_CHECKING:
    from extensions.a1111_scripts.host import Host

log = logging.getLogger(__name__)


def offered(host: Host) -> dict[str, dict[str, Any]]:
    """Module → its names."""
    names: dict[str, dict[str, Any]] = {
        "modules.scripts": _scripts(host),
        "modules.script_callbacks": host.callbacks.names(),
        "modules.shared": _shared(host),
        "modules.shared_state": {"State": options.State},
        "modules.options": {name: getattr(options, name) for name in ("Options", "OptionInfo", "OptionHTML", "options_section")},
        "modules.processing": host.processing_names(),
        "modules.images": _images(host),
        "modules.infotext_utils": _infotext(host),
        "modules.paths": _paths(host),
        "modules.devices": {"device": host.device, "cpu": "cpu", "torch_gc": lambda: None, "get_optimal_device_name": lambda: str(host.device)},
        "modules.ui_components": components(host.gradio),
        "modules.ui": _ui(host),
        "modules.sd_samplers": _samplers(),
        "modules.sd_schedulers": {"schedulers": list(SCHEDULERS), "schedulers_map": {one.label: one for one in SCHEDULERS}},
        "modules.sd_models": _models(host),
        "modules.sd_vae": {"vae_dict": _Looked(lambda: {entry.path.name: entry.file for entry in host.entries("vae")})},
        "modules.extra_networks": {"parse_prompt": _parse_prompt, "parse_prompts": _parse_prompts},
        "modules.errors": {"report": _report, "display": _display, "print_error_explanation": log.warning},
        "modules.call_queue": _queue(),
        "modules.api": {},
        "modules.api.api": {"decode_base64_to_image": _decode, "encode_pil_to_base64": _encode},
        "modules.util": {"listfiles": _listfiles, "walk_files": _walk, "natural_sort_key": _natural},
        "modules.script_loading": {"load_module": lambda path: host.importer.load(Path(path))},
        "modules.extensions": {"extensions": [], "active": lambda: []},
        "launch": _launch(host),
    }
    names["modules.generation_parameters_copypaste"] = names["modules.infotext_utils"]
    names["modules.paths_internal"] = names["modules.paths"]
    names["modules.ui_common"] = names["modules.ui"]
    names["modules.launch_utils"] = names["launch"]
    names["modules.shared_cmd_options"] = {"cmd_opts": host.cmd_opts}
    return names


def _scripts(host: Host) -> dict[str, Any]:
    own = ("Script", "PostprocessImageArgs", "PostProcessMaskOverlayArgs", "PostprocessBatchListArgs")
    return {
        **{name: getattr(scripting, name) for name in own},
        "AlwaysVisible": scripting.ALWAYS,
        "ScriptRunner": scripting.Runner,
        "basedir": lambda: str(host.importer.loading.folder if host.importer.loading else host.paths.data),
        "list_scripts": host.list_scripts,
        "scripts_data": host.loaded,
        "scripts_txt2img": _Looked(lambda: host.runners["txt2img"]),
        "scripts_img2img": _Looked(lambda: host.runners["img2img"]),
    }


def _shared(host: Host) -> dict[str, Any]:
    return {
        "opts": host.options,
        "cmd_opts": host.cmd_opts,
        "state": host.state,
        "sd_model": _Looked(lambda: host.model()),
        "sd_upscalers": _Looked(lambda: [_Upscaler(host, name) for name in upscalers(host.catalog)] if host.catalog else []),
        "face_restorers": [],
        "OptionInfo": options.OptionInfo,
        "OptionHTML": options.OptionHTML,
        "options_section": options.options_section,
        "options_templates": host.options.data_labels,
        "prompt_styles": _Looked(lambda: StyleFiles(host.paths.styles_files).table),
        "total_tqdm": SimpleNamespace(clear=lambda: None, reset=lambda: None, update=lambda: None, updateTotal=lambda total: None),
        "device": host.device,
        "hypernetworks": {},
        "demo": None,
        "list_checkpoint_tiles": lambda use_short=False: host.titles(),
        "refresh_checkpoints": lambda: host.catalog.refresh("checkpoint") if host.catalog else None,
        "listfiles": _listfiles,
        "walk_files": _walk,
        "natural_sort_key": _natural,
        "html": lambda name: "",
        "latent_upscale_modes": {},
        "script_path": str(host.paths.root),
        "data_path": str(host.paths.data),
        "models_path": str(host.paths.models),
    }


def _paths(host: Host) -> dict[str, Any]:
    paths = host.paths
    return {
        "models_path": str(paths.models),
        "script_path": str(paths.root),
        "data_path": str(paths.data),
        "extensions_dir": str(paths.extensions),
        "extensions_builtin_dir": str(paths.root / "extensions"),
        "modules_path": str(paths.root),
        "cwd": str(paths.data),
        "default_output_dir": str(paths.outputs),
    }


def _images(host: Host) -> dict[str, Any]:
    def save(image: Any, path: Any, basename: str = "", seed: Any = None, prompt: Any = None, extension: str = "png", info: Any = None, **named: Any) -> Any:
        """Into this folder, numbered as A1111 numbers; (path, None)."""
        name = named.get("forced_filename") or "-".join(str(part) for part in (seed,) if part is not None)
        plain = bool(named.get("forced_filename"))
        encoding = Encoding(format=extension if extension in ("png", "jpg", "jpeg", "webp", "avif") else "png")
        text = str(info or (named.get("existing_info") or {}).get(named.get("pnginfo_section_name", "parameters"), "") or "")
        name = f"{name}{named.get('suffix', '')}"
        saved = save_image(image, Path(path), name=name, basename=basename, numbered=not plain, encoding=encoding, infotext=text)
        return str(saved), None

    def resized(resize_mode: int, im: Any, width: int, height: int, upscaler_name: str | None = None) -> Any:
        enlarge = (lambda image, scale: host.current().upscale(image, upscaler_name, scale)) if upscaler_name not in (None, "None", "Lanczos") else None
        return resize(im, int(resize_mode), int(width), int(height), enlarge)

    def grid(imgs: Any, batch_size: int = 1, rows: int | None = None) -> Any:
        wanted = rows or row_count(len(imgs), n_rows=host.options.n_rows, batch_size=batch_size, prevent_empty_spots=host.options.grid_prevent_empty_spots)
        return image_grid(imgs, wanted, host.options.grid_background_color)

    return {
        "save_image": save,
        "resize_image": resized,
        "image_grid": grid,
        "flatten": lambda image, background: flattened(image, background),
        "read_info_from_image": lambda image: (infotext_of(image) or None, other_items(image)),
        "read": lambda file, **named: Image.open(file, **named),
        "fix_image": lambda image: image,
        "LANCZOS": Image.Resampling.LANCZOS,
        "NEAREST": Image.Resampling.NEAREST,
    }


def _infotext(host: Host) -> dict[str, Any]:
    class PasteField(tuple[Any, ...]):
        """(component, key or function), with its name over the API."""

        api: Any

        def __new__(cls, component: Any, target: Any, *, api: Any = None) -> PasteField:
            made = super().__new__(cls, (component, target))
            made.api = api
            return made

        @property
        def component(self) -> Any:
            return self[0]

    return {
        "parse_generation_parameters": lambda text, skip_fields=None: dict(read(text)),
        "PasteField": PasteField,
        "quote": lambda text: text if not re.search(r"[,:\n]", str(text)) else f'"{text}"',
        "unquote": lambda text: str(text).strip('"'),
    }


def _samplers() -> dict[str, Any]:
    rows = [SimpleNamespace(name=one.label, label=one.label, aliases=list(one.aliases), options=one.options) for one in SAMPLERS]
    by_name = {row.name: row for row in rows}
    names = {alias.lower(): row.name for row in rows for alias in (row.name, *row.aliases)}
    return {
        "all_samplers": rows,
        "all_samplers_map": by_name,
        "samplers": rows,
        "samplers_for_img2img": rows,
        "samplers_map": names,
        "find_sampler_config": lambda name: by_name.get(name) if name is not None else rows[0],
        "visible_samplers": lambda: rows,
        "visible_sampler_names": lambda: list(by_name),
    }


def _models(host: Host) -> dict[str, Any]:
    return {
        "checkpoints_list": _Looked(lambda: {info.title: info for info in map(host.info, host.entries("checkpoint"))}),
        "checkpoint_tiles": lambda use_short=False: host.titles(),
        "get_closet_checkpoint_match": lambda name: host.closest(name),
        "list_models": lambda: host.catalog.refresh("checkpoint") if host.catalog else None,
        "select_checkpoint": lambda: host.model().sd_checkpoint_info,
        "model_path": str(host.paths.checkpoints[0]),
    }


def _ui(host: Host) -> dict[str, Any]:
    gradio = host.gradio

    def refresh_button(component: Any, refresh: Callable[[], Any], args: Any, elem_id: str = "") -> Any:
        def again() -> dict[str, Any]:
            refresh()
            changes: Any = args() if callable(args) else args
            return gradio.update(**changes)

        button = gradio.Button("🔄", elem_id=elem_id)
        button.click(again, [], [component])
        return button

    return {
        "create_refresh_button": refresh_button,
        "gr_show": lambda visible=True: gradio.update(visible=visible),
        "plaintext_to_html": lambda text, classname=None: str(text),
        "refresh_symbol": "🔄",
        "save_style_symbol": "💾",
        "random_symbol": "🎲️",
        "reuse_symbol": "♻️",
        "paste_symbol": "↙️",
        "switch_values_symbol": "⇅",
        "folder_symbol": "📂",
    }


def _queue() -> dict[str, Any]:
    def plain(function: Callable[..., Any], *more: Any, **named: Any) -> Callable[..., Any]:
        return function

    return {"queue_lock": RLock(), "wrap_queued_call": plain, "wrap_gradio_call": plain, "wrap_gradio_gpu_call": plain}


def _launch(host: Host) -> dict[str, Any]:
    def installed(package: str) -> bool:
        return importlib.util.find_spec(package) is not None

    def no_pip(*arguments: Any, **named: Any) -> None:
        raise WebUIError("A script may not install packages while it runs. Its install.py can be run on your word; see docs/a1111-scripts.md.")

    return {"is_installed": installed, "run_pip": no_pip, "run": no_pip, "args": host.cmd_opts, "git_tag": lambda: "v1.10.1"}


class _Looked:
    """A value that is looked up whenever it is used: lists of files change while the program runs."""

    def __init__(self, look: Callable[[], Any]) -> None:
        object.__setattr__(self, "_look", look)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "_look")(), name)

    def __iter__(self) -> Any:
        return iter(self._look())

    def __len__(self) -> int:
        return len(self._look())

    def __getitem__(self, key: Any) -> Any:
        return self._look()[key]

    def __contains__(self, key: Any) -> bool:
        return key in self._look()

    def __bool__(self) -> bool:
        return True

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._look(), name, value)


class _Upscaler:
    """A row of shared.sd_upscalers."""

    def __init__(self, host: Host, name: str) -> None:
        self.name, self.data_path, self.scale = name, name, 4
        self.scaler = SimpleNamespace(
            upscale=lambda image, scale, path=None: host.current().upscale(image, name, float(scale)) if name != "None" else image, name=name
        )


def _parse_prompt(prompt: str) -> tuple[str, dict[str, list[Any]]]:
    text, tags = parse(prompt)
    found: dict[str, list[Any]] = {}
    for tag in tags:
        found.setdefault(tag.kind, []).append(SimpleNamespace(items=str(tag)[1:-1].split(":")[1:], positional=list(tag.positional), named=dict(tag.named)))
    return text, found


def _parse_prompts(prompts: list[str]) -> tuple[list[str], dict[str, list[Any]]]:
    return [parse(prompt)[0] for prompt in prompts], _parse_prompt(prompts[0])[1] if prompts else {}


def _report(message: str, *, exc_info: bool = False) -> None:
    log.error("%s", f"{message}\n{traceback.format_exc()}" if exc_info else message)


def _display(error: Exception, task: str, *, full_traceback: bool = False) -> None:
    log.error("%s: %s", task, error)


def _decode(encoding: str) -> Image.Image:
    """A base64 picture, with or without its data: head. Addresses are not fetched."""
    image = Image.open(io.BytesIO(base64.b64decode(encoding.rpartition(";base64,")[2])))
    image.load()
    return image


def _encode(image: Image.Image) -> bytes:
    target = io.BytesIO()
    image.save(target, "PNG")
    return base64.b64encode(target.getvalue())


def _natural(text: str) -> list[Any]:
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", str(text))]


def _listfiles(folder: str) -> list[str]:
    return sorted((str(file) for file in Path(folder).iterdir() if file.is_file() and not file.name.startswith(".")), key=_natural)


def _walk(path: str, allowed_extensions: Any = None) -> Any:
    for root, _, files in os.walk(path):
        for name in sorted(files, key=_natural):
            if allowed_extensions is None or os.path.splitext(name)[1].lower() in allowed_extensions:
                yield os.path.join(root, name)


def checkpoint_info(host: Host, entry: Any) -> Any:
    """modules.sd_models.CheckpointInfo, as far as it is known without opening the file."""
    short = entry.hash[:10]
    return SimpleNamespace(
        filename=entry.file,
        name=entry.name,
        title=f"{entry.name} [{short}]" if short else entry.name,
        short_title=f"{entry.stem} [{short}]" if short else entry.stem,
        model_name=entry.model_name,
        name_for_extra=entry.stem,
        hash=short,
        shorthash=short,
        sha256=entry.hash or None,
        metadata=dict(entry.metadata),
        is_safetensors=entry.name.endswith(".safetensors"),
        ids=[entry.name, entry.stem, short],
    )


class Model:
    """shared.sd_model, to be read: what checkpoint it is, and of which family."""

    def __init__(self, host: Host) -> None:
        assert host.catalog is not None
        entry, _ = chosen_checkpoint(GenerationRequest(), host.chosen(), host.catalog)
        self.sd_checkpoint_info = checkpoint_info(host, entry)
        family = entry.family.upper()
        self.sd_model_hash, self.sd_model_checkpoint, self.filename = entry.hash[:10], entry.file, entry.file
        self.is_sdxl, self.is_sd2, self.is_sd3 = "XL" in family, "SD2" in family or "SD 2" in family, False
        self.is_sd1, self.is_ssd = not self.is_sdxl and not self.is_sd2, False
        self.device = "cpu"

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"shared.sd_model.{name} is not there: the model lives in the engine, another process.")
