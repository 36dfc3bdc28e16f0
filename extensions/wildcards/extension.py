"""Wildcards: __name__ and {a|b} in prompts become one text for each picture, drawn by its seed (docs/wildcards.md)."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi import APIRouter

from backend.catalog import Catalog
from backend.hooks import hookimpl
from backend.prompts.expansion import PromptContext, PromptTexts
from backend.request import GenerationRequest
from backend.scripts import Control, Part, PartContext
from backend.settings import Settings
from extensions.wildcards.choices import Chooser, has_choices
from extensions.wildcards.files import OWN, Wildcards

TEMPLATE, NEGATIVE, USED = "template", "negative_template", "use_template"
LABELS: Mapping[str, tuple[str, ...]] = {  # of the parameters: ours, and that of the extension Dynamic Prompts
    TEMPLATE: ("Wildcard prompt", "Template"),
    NEGATIVE: ("Wildcard negative prompt", "Negative Template"),
}
MOST = 20  # names that are suggested
ABOUT = "In prompts __name__ is a line of wildcards/name.txt, {a|b} is a or b, {2$$a|b|c} are two of them; the seed of each picture decides."


class Templates(Part):
    """What a pasted picture was drawn from, besides the prompt that it became."""

    title = "Wildcards"

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        return (
            Control(key=USED, kind="checkbox", label="Draw from the template in place of the prompt", default=False, info=ABOUT),
            Control(key=TEMPLATE, kind="textbox", label="Template", default="", lines=2, info="Of the picture that was pasted last"),
            Control(key=NEGATIVE, kind="textbox", label="Negative template", default="", lines=2),
        )

    def change_request(self, request: GenerationRequest, values: Mapping[str, Any], context: PartContext) -> GenerationRequest:
        if not values[USED]:
            return request
        prompt, negative = values[TEMPLATE].strip(), values[NEGATIVE].strip()
        return replace(
            request,
            prompt=prompt or request.prompt,
            prompts=() if prompt else request.prompts,
            negative_prompt=negative or request.negative_prompt,
            negative_prompts=() if negative else request.negative_prompts,
        )

    def read_infotext(self, labels: Mapping[str, str]) -> Mapping[str, Any]:
        """Of a picture without templates: empty ones. It is drawn from its prompt, which gives the same picture, whatever has become of the wildcards."""
        said = {key: next((labels[label] for label in names if label in labels), "") for key, names in LABELS.items()}
        return {USED: False, **said}


@hookimpl
def parts() -> list[Part]:
    return [Templates()]


@hookimpl
def expand_prompts(context: PromptContext) -> PromptTexts | None:
    """The same seed gives the same texts, at any place in a batch, and in both passes."""
    if not has_choices(context.prompt) and not has_choices(context.negative_prompt):
        return None
    wildcards = _wildcards(context.data)
    prompt, negative = (Chooser(random.Random(f"{context.seed} {key}"), wildcards.lines) for key in (TEMPLATE, NEGATIVE))
    texts = {TEMPLATE: prompt.text(context.prompt), NEGATIVE: negative.text(context.negative_prompt)}
    templates = {TEMPLATE: context.prompt, NEGATIVE: context.negative_prompt}
    labels = () if context.hires else tuple((LABELS[key][0], templates[key]) for key in texts if texts[key] != templates[key])
    return PromptTexts(
        prompt=texts[TEMPLATE], negative_prompt=texts[NEGATIVE], labels=labels, comments=tuple(dict.fromkeys((*prompt.comments, *negative.comments)))
    )


@hookimpl
def page_routes(service: Any) -> APIRouter:
    router = APIRouter(prefix="/wildcards-page", include_in_schema=False)

    @router.get("/names")
    def names(search: str = "") -> list[str]:
        """Those that hold the text, those that begin with it first."""
        wanted = search.lower()
        fitting = [name for name in _wildcards(service.paths.data).names if wanted in name.lower()]
        return sorted(fitting, key=lambda name: not name.lower().startswith(wanted))[:MOST]

    return router


@hookimpl
def page_files() -> Sequence[Path]:
    return [Path(__file__).parent / "names.js"]


def _wildcards(data: Path) -> Wildcards:
    """As they are now; the person's go first."""
    return Wildcards((data / "wildcards", OWN))
