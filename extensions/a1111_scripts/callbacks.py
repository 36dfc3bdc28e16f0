"""modules.script_callbacks: what scripts ask to be called at, by A1111's names."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

# on_<name> → whether what it is told is called at once where the time for it is over.
SUPPORTED = ("app_started", "before_ui", "ui_settings", "ui_tabs", "script_unloaded", "before_reload", "infotext_pasted", "before_image_saved", "image_saved")
STEPS = ("cfg_denoiser", "cfg_denoised", "cfg_after_cfg")  # called in the engine alone
LATE = ("ui_settings", "before_ui")


@dataclass
class ImageSaveParams:
    """image and pnginfo may be changed; filename is known once it is saved."""

    image: Any
    p: Any
    filename: str
    pnginfo: dict[str, Any]


@dataclass
class CFGDenoiserParams:
    """What the U-Net will be called with; x, sigma, text_cond and text_uncond may be changed. Tensors, a row for each prompt and negative prompt."""

    x: Any
    image_cond: Any
    sigma: Any
    sampling_step: int
    total_sampling_steps: int
    text_cond: Any
    text_uncond: Any
    denoiser: Any = None


@dataclass
class CFGDenoisedParams:
    """What it predicts of each row."""

    x: Any
    sampling_step: int
    total_sampling_steps: int
    inner_model: Any = None


@dataclass
class AfterCFGCallbackParams:
    """The guided prediction, a row for each picture."""

    x: Any
    sampling_step: int
    total_sampling_steps: int


@dataclass(frozen=True)
class Callback:
    name: str
    function: Callable[..., Any]
    extension: str


class Callbacks:
    """In the order of their coming. What one raises is logged with its extension, and the others go on."""

    def __init__(self, loading: Callable[[], str], owner: Callable[[Any], str], failed: Callable[[str, str, BaseException], str]) -> None:
        """loading: the extension that is imported now, or ""; owner: the one that a function is written in."""
        self._loading, self._owner, self._failed = loading, owner, failed
        self._all: list[Callback] = []
        self._over: set[str] = set()

    def add(self, name: str, function: Callable[..., Any]) -> None:
        callback = Callback(name, function, self._loading() or self._owner(function))
        self._all.append(callback)
        if name in self._over:
            self._one(callback)

    def call(self, name: str, *arguments: Any) -> list[tuple[str, Any]]:
        """(extension, what it gave) of each."""
        if name in LATE:
            self._over.add(name)
        return [(callback.extension, self._one(callback, *arguments)) for callback in tuple(self._all) if callback.name == name]

    def _one(self, callback: Callback, *arguments: Any) -> Any:
        try:
            return callback.function(*arguments)
        except Exception as error:
            self._failed(callback.extension, f"on_{callback.name}", error)
            return None

    def kept(self) -> Callable[[], None]:
        """Gives what takes everything back that is told from here on."""
        before = list(self._all)

        def restore() -> None:
            self._all = list(before)

        return restore

    def remove_function(self, function: Callable[..., Any]) -> None:
        self._all = [callback for callback in self._all if callback.function != function]  # bound methods are made anew each time

    def remove_extension(self, extension: str) -> None:
        self._all = [callback for callback in self._all if callback.extension != extension]

    def names(self) -> dict[str, Any]:
        """Everything that `modules.script_callbacks` offers."""

        def register(name: str) -> Callable[..., None]:
            return lambda callback, *more, **named: self.add(name, callback)

        offered: dict[str, Any] = {f"on_{name}": register(name) for name in (*SUPPORTED, *STEPS)}
        offered |= {"CFGDenoiserParams": CFGDenoiserParams, "CFGDenoisedParams": CFGDenoisedParams, "AfterCFGCallbackParams": AfterCFGCallbackParams}
        offered |= {"ImageSaveParams": ImageSaveParams, "remove_callbacks_for_function": self.remove_function}
        offered |= {"remove_current_script_callbacks": lambda: self.remove_extension(self._loading())}
        return offered
