"""The engine's side: callbacks of a step, with the tensors. The scripts that have some are loaded here a second time, and told of the job as in the front.

Each function is called at its moment, see backend/sampling/changes.py; options are what `Host.engine_calls` gives.
"""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from backend.errors import WebUIError
from backend.sampling.changes import At, UNetCall
from backend.sampling.names import SAMPLERS
from backend.setting_table import SETTINGS
from backend.settings import Settings
from extensions.a1111_scripts.callbacks import AfterCFGCallbackParams, CFGDenoisedParams, CFGDenoiserParams
from extensions.a1111_scripts.drawing import take
from extensions.a1111_scripts.host import Host
from extensions.a1111_scripts.processing import Processed, StableDiffusionProcessingImg2Img, StableDiffusionProcessingTxt2Img

SECOND_ORDER = frozenset(row.label for row in SAMPLERS if row.second_order)


def before_call(call: UNetCall, options: Mapping[str, Any], at: At) -> None:
    job = _ENGINE.job(options, call.x.device)
    job.begin(options["batch"], at)
    params = CFGDenoiserParams(
        x=call.x,
        image_cond=call.beside if call.beside is not None else call.x.new_zeros(len(call.x), 5, 1, 1),
        sigma=call.level,
        **job.place(at),
        text_cond=_told(call.cross, call.vector),
        text_uncond=None if call.negative_cross is None else _told(call.negative_cross, call.negative_vector),
        denoiser=job.denoiser(at),
    )
    job.call("cfg_denoiser", params)
    call.x, call.level = params.x, params.sigma
    call.cross, call.vector = _read(params.text_cond)
    if call.negative_cross is not None:
        call.negative_cross, call.negative_vector = _read(params.text_uncond)


def after_call(rows: Tensor, options: Mapping[str, Any], at: At) -> Tensor:
    job = _ENGINE.current(options)
    if job is None:
        return rows
    params = CFGDenoisedParams(x=rows, **job.place(at))
    job.call("cfg_denoised", params)
    return params.x


def after_step(guided: Tensor, options: Mapping[str, Any], at: At) -> Tensor:
    job = _ENGINE.current(options)
    if job is None:
        return guided
    params = AfterCFGCallbackParams(x=guided, **job.place(at))
    job.call("cfg_after_cfg", params)
    return params.x


def _told(cross: Tensor, vector: Tensor | None) -> Any:
    """As A1111 has it: SDXL's is a dict."""
    return cross if vector is None else {"crossattn": cross, "vector": vector}


def _read(told: Any) -> tuple[Tensor, Tensor | None]:
    return (told["crossattn"], told["vector"]) if isinstance(told, dict) else (told, None)


class Job:
    """One process_images of the front, told to the scripts here again: what they find out in `process` and the like is theirs in the steps."""

    def __init__(self, host: Host, options: Mapping[str, Any]) -> None:
        self.id = options["id"]
        self._host, self._batch, self._last = host, -1, -1
        self._restore = host.callbacks.kept()
        self._runner = host.runners[options["tab"]].prepare()
        self._order = 2 if options["p"].get("sampler_name") in SECOND_ORDER else 1
        kind = StableDiffusionProcessingImg2Img if options["tab"] == "img2img" else StableDiffusionProcessingTxt2Img
        self.p: Any = kind()
        vars(self.p).update({name: value for name, value in options["p"].items() if name != "scripts_setup_complete"})
        self.p.scripts = self._runner
        self.p.script_args = tuple(self._args(options["args"]))
        self._each("before_process")
        vars(self.p).update({name: list(value) if isinstance(value, list) else value for name, value in options["lists"].items()})
        self._each("process")

    def begin(self, batch: int, at: At) -> None:
        """Before a call: a new batch is told, and that the second pass has begun."""
        p = self.p
        if batch != self._batch:
            self._batch = p.iteration = batch
            p.is_hr_pass = False
            first = batch * int(p.batch_size)
            take(p, first, first + int(p.batch_size))
            named = {"batch_number": batch, "prompts": p.prompts, "seeds": p.seeds, "subseeds": p.subseeds}
            self._each("before_process_batch", **named)
            self._each("process_batch", **named)
        elif at.step == 0 and self._last > 0 and p.enable_hr:
            p.is_hr_pass = True
            self._each("before_hr")
        self._last = at.step

    def place(self, at: At) -> dict[str, Any]:
        """A1111 counts the sampler's steps here, and the U-Net's calls in the denoiser."""
        step, steps = at.step // self._order, at.steps // self._order
        self._host.state.sampling_step, self._host.state.sampling_steps = step, steps
        return {"sampling_step": step, "total_sampling_steps": steps}

    def denoiser(self, at: At) -> Any:
        return SimpleNamespace(p=self.p, step=at.step, steps=at.steps // self._order, total_steps=at.steps, mask=None, nmask=None, init_latent=None)

    def call(self, name: str, params: Any) -> None:
        self._host.callbacks.call(name, params)

    def end(self) -> None:
        """What it registered is forgotten."""
        try:
            self._each("postprocess", Processed(self.p, []))
        finally:
            self._restore()

    def _each(self, stage: str, *arguments: Any, **named: Any) -> None:
        self._runner.each(stage, self.p, *arguments, **named)

    def _args(self, told: Mapping[str, Any]) -> list[Any]:
        args = self._runner.defaults()
        for title, values in told.items():
            script = self._runner.script(title)
            if script is not None and script.args_from is not None:
                args[script.args_from : script.args_to] = values
        return args


class Carrier:
    """Loads the scripts once for each set of extensions, and holds the job that is drawn."""

    def __init__(self) -> None:
        self._host: Host | None = None
        self._of: tuple[Any, ...] = ()
        self._job: Job | None = None

    def job(self, options: Mapping[str, Any], device: torch.device) -> Job:
        """Raises WebUIError for what a script raises: the picture goes on without it."""
        if self._job is None or self._job.id != options["id"]:
            before, self._job = self._job, None
            if before is not None:
                before.end()
            host = self._loaded(options, device)
            host.settings = Settings().override({key: value for key, value in options["settings"].items() if key in SETTINGS})
            host.options.remember(options["settings"])
            self._job = Job(host, options)
        return self._job

    def current(self, options: Mapping[str, Any]) -> Job | None:
        """None where its scripts failed as it began."""
        return self._job if self._job is not None and self._job.id == options["id"] else None

    def _loaded(self, options: Mapping[str, Any], device: torch.device) -> Host:
        wanted = (options["paths"], options["only"], str(device))
        if self._host is None or self._of != wanted:
            self._host = Host(options["paths"], options["flags"], Settings(), _raise, only=options["only"], device=device).load()
            self._of = wanted
        return self._host


def _raise(extension: str, where: str, error: BaseException) -> str:
    raise WebUIError(f"{extension}, {where}: {type(error).__name__}: {error}") from error


_ENGINE = Carrier()
