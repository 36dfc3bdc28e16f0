"""Prompts from file or textbox: a picture for each line, which is a prompt or, as "--prompt … --steps …", fields of the request."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend import hooks
from backend.catalog import Catalog
from backend.controls import Control, Update
from backend.errors import ERROR, Interrupted, WebUIError
from backend.fields import BY_KEY, changed
from backend.request import GenerationRequest
from backend.sampling.names import SAMPLERS
from backend.scripts import Script, Session
from backend.settings import Settings

PROMPTS = ("prompt", "negative_prompt")
# A1111's options that are no fields: the checkpoint, and the sampler by its place in the list.
CHECKPOINT, SAMPLER_PLACE = "sd_model", "sampler_index"
# Options that change nothing here: where pictures are saved is the server's business.
PASSED_OVER = ("outpath_samples", "outpath_grids", "prompt_for_display", "do_not_save_samples", "do_not_save_grid", "restore_faces")


@dataclass(frozen=True, kw_only=True)
class Line:
    """values: of the request's fields, by key. comment: for the person."""

    values: Mapping[str, Any]
    checkpoint: str = ""
    comment: str = ""


def read_lines(text: str) -> tuple[Line, ...]:
    """Empty lines count for nothing. A line with options that cannot be read is a prompt as a whole, as in A1111, with a comment that says so."""
    return tuple(_read(line.strip()) for line in text.splitlines() if line.strip())


def _read(line: str) -> Line:
    if "--" not in line:
        return Line(values={"prompt": line})
    try:
        return _options(line)
    except (ValueError, WebUIError) as error:
        return Line(values={"prompt": line}, comment=f"{ERROR}{line!r} was taken for a prompt: {error}")


def _options(line: str) -> Line:
    """Raises ValueError and WebUIError, also for a value that its field does not take."""
    words, values, checkpoint, ignored = shlex.split(line), dict[str, Any](), "", list[str]()
    while words:
        option = words.pop(0)
        if not option.startswith("--"):
            raise WebUIError(f"{option!r} stands where an option as --steps is needed.")
        if not words:
            raise WebUIError(f"{option} has no value.")
        key, value = option[2:], words.pop(0)
        while key in PROMPTS and words and not words[0].startswith("--"):
            value += f" {words.pop(0)}"
        if key == CHECKPOINT:
            checkpoint = value
        elif key in PASSED_OVER:
            ignored.append(option)
        else:
            values |= _field(key, value)
    changed(GenerationRequest(), values)
    return Line(values=values, checkpoint=checkpoint, comment=f"{', '.join(ignored)} changes nothing here." if ignored else "")


def _field(key: str, value: str) -> dict[str, Any]:
    if key == SAMPLER_PLACE:
        if not value.isdecimal() or int(value) >= len(SAMPLERS):
            raise WebUIError(f"--{key} cannot be {value!r}: a number from 0 to {len(SAMPLERS) - 1} is needed.")
        return {"sampler_name": SAMPLERS[int(value)].label}
    field = BY_KEY.get(key)
    if field is None or field.kind not in (str, int, float, bool, tuple):
        raise WebUIError(
            f"--{key} is no option. Known: {', '.join(f'--{name}' for name, row in BY_KEY.items() if row.kind in (str, int, float, bool, tuple))}."
        )
    if field.kind is tuple:
        return {key: tuple(part.strip() for part in value.split(",") if part.strip())}
    return {key: value.lower() == "true" if field.kind is bool else value}


class PromptsFromFile:
    title = "Prompts from file or textbox"
    tabs = ("txt2img", "img2img")

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return (
            Control(key="iterate_seed", kind="checkbox", label="Iterate seed every line", default=False),
            Control(key="same_seed", kind="checkbox", label="Use same random seed for all lines", default=False),
            Control(key="position", kind="radio", label="Insert prompts at the", default="start", choices=("start", "end")),
            Control(key="prompts", kind="textbox", label="List of prompt inputs", default="", lines=4),
            Control(key="file", kind="file", label="Upload prompt inputs", react=lambda values: {"prompts": Update(value=values["file"] or "")}),
        )

    def run(self, request: GenerationRequest, values: Mapping[str, Any], session: Session) -> None:
        lines = read_lines(values["prompts"])
        if not lines:
            raise WebUIError("There is no prompt: write one into each line.")
        if values["iterate_seed"] or values["same_seed"]:
            request = session.fixed(request)
        asked = [_asked(line, request, values["position"]) for line in lines]
        session.expect(sum(each.batch_size * each.n_iter for each in asked))
        session.comment(*filter(None, (line.comment for line in lines)))
        for number, (line, each) in enumerate(zip(lines, asked, strict=True)):
            if values["iterate_seed"] and "seed" not in line.values:
                each = replace(each, seed=replace(each.seed, seed=each.seed.seed + number * request.batch_size * request.n_iter))
            try:
                session.draw(each, note=f"{number + 1} of {len(lines)}: {each.prompt}")
            except Interrupted:
                break
            except WebUIError as error:
                session.comment(f"{ERROR}{each.prompt}: {error}")


def _asked(line: Line, request: GenerationRequest, position: str) -> GenerationRequest:
    asked = changed(request, {key: value for key, value in line.values.items() if key not in PROMPTS})
    for key in PROMPTS:
        own, common = line.values.get(key, ""), getattr(request, key)
        if own:
            asked = replace(asked, **{key: " ".join(filter(None, (own, common) if position == "start" else (common, own)))})
    if line.checkpoint:
        asked = replace(asked, override_settings={**asked.override_settings, "sd_model_checkpoint": line.checkpoint})
    return asked


@hooks.hookimpl
def scripts() -> Sequence[Script]:
    return [PromptsFromFile()]
