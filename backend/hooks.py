"""Every hook that an extension may fill, each with a heading in docs/extensions.md. An extension marks its functions with `hookimpl`.

These functions run in the front, where torch is not imported. What needs torch is named as a target, "module:function", which the engine calls.
"""

from collections.abc import Sequence

import pluggy

from backend.scripts import Part, Script

PROJECT = "webui"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def scripts() -> Sequence[Script]:  # type: ignore[empty-body]
    """Scripts for the drop-down "Script", each taking the whole generation over. Asked once, at the start."""


@hookspec
def parts() -> Sequence[Part]:  # type: ignore[empty-body]
    """Accordions below the settings of txt2img and img2img, each taking part in every picture. Asked once, at the start."""
