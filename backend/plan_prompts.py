"""What each picture is told: its prompts with styles merged, and the networks that their tags ask for, in the first pass and in the hires pass."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.job import NetworkRef
from backend.plan_networks import Networks, StepCounts, find_networks, hints, with_default_network
from backend.prompts.comments import strip_comments
from backend.prompts.expansion import Expand, PromptContext
from backend.prompts.styles import StyleTable
from backend.request import GenerationRequest
from backend.settings import Settings


@dataclass(frozen=True, kw_only=True)
class PassPrompts:
    """Of one picture in one pass. The prompts have their tags; what an engine encodes is networks.text."""

    prompt: str
    negative_prompt: str
    networks: Networks


@dataclass(frozen=True, kw_only=True)
class PicturePrompts:
    first: PassPrompts
    hires: PassPrompts | None  # None: there is no hires pass
    labels: tuple[tuple[str, str], ...] = ()  # of the infotext, from the syntax of an extension
    told: tuple[str, ...] = ()  # comments of the same

    @property
    def passes(self) -> tuple[PassPrompts, ...]:
        return (self.first, self.hires) if self.hires else (self.first,)

    @property
    def networks(self) -> tuple[tuple[NetworkRef, ...], ...]:
        """Of each pass: pictures for which they are equal can be drawn together."""
        return tuple(prompts.networks.networks for prompts in self.passes)

    @property
    def hashes(self) -> tuple[tuple[str, str], ...]:
        """(name, hash) of all that is used in either pass."""
        return tuple({pair: None for prompts in self.passes for pair in prompts.networks.hashes})

    @property
    def comments(self) -> tuple[str, ...]:
        about = (comment for prompts in self.passes for comment in (*prompts.networks.comments, *hints(prompts.negative_prompt)))
        return tuple(dict.fromkeys((*self.told, *about)))


def picture_prompts(
    request: GenerationRequest,
    settings: Settings,
    styles: StyleTable,
    catalog: Catalog,
    seeds: Sequence[tuple[int, int]] = (),
    expand: Expand | None = None,
) -> tuple[PicturePrompts, ...]:
    """One for each picture of the request; equal ones are one object, unless an extension may make others of them. seeds: (seed, subseed) of each."""
    asked = tuple(_asked(request))
    if expand is None:
        decided = {texts: _decide(*texts, request, settings, styles, catalog) for texts in dict.fromkeys(asked)}
        return tuple(decided[texts] for texts in asked)
    return tuple(_decide(*texts, request, settings, styles, catalog, Expansion(expand, settings, *seeds[index], index)) for index, texts in enumerate(asked))


class Expansion:
    """Of one picture: what the syntax of extensions makes of its texts, and what it says of them."""

    def __init__(self, expand: Expand, settings: Settings, seed: int, subseed: int, index: int) -> None:
        self._expand, self._settings, self._place = expand, settings, (seed, subseed, index)
        self.labels: dict[str, str] = {}
        self.comments: tuple[str, ...] = ()

    def of(self, prompt: str, negative: str, *, hires: bool) -> tuple[str, str]:
        seed, subseed, index = self._place
        context = PromptContext(prompt=prompt, negative_prompt=negative, seed=seed, subseed=subseed, index=index, hires=hires, settings=self._settings)
        texts = self._expand(context)
        self.labels = {**dict(texts.labels), **self.labels}
        self.comments = (*self.comments, *texts.comments)
        return texts.prompt, texts.negative_prompt


def _asked(request: GenerationRequest) -> Iterator[tuple[str, str]]:
    count = request.batch_size * request.n_iter
    prompts, negatives = request.prompts or (request.prompt,) * count, request.negative_prompts or (request.negative_prompt,) * count
    for name, texts in (("prompts", prompts), ("negative prompts", negatives)):
        if len(texts) != count:
            raise WebUIError(f"The number of {name} is {len(texts)}, that of pictures {count}: one for each is needed.")
    return zip(prompts, negatives, strict=True)


def _decide(
    prompt: str, negative: str, request: GenerationRequest, settings: Settings, styles: StyleTable, catalog: Catalog, expansion: Expansion | None = None
) -> PicturePrompts:
    """A hires prompt of its own brings its own tags; an empty one is the picture's."""
    counts = StepCounts(request.sampling.steps, (request.hires.steps or request.sampling.steps) if request.hires else 0)

    def decide(prompt: str, negative: str, *, hires: bool) -> PassPrompts:
        prompt, negative = styles.apply(prompt, negative, request.styles)
        if settings["enable_prompt_comments"]:
            prompt, negative = strip_comments(prompt), strip_comments(negative)
        if expansion is not None:
            prompt, negative = expansion.of(prompt, negative, hires=hires)
        if apply := not request.disable_extra_networks:
            prompt = with_default_network(prompt, settings, catalog)
        networks = find_networks(prompt, catalog, counts, hires=hires, presets=settings["lora_block_presets"], apply=apply)
        return PassPrompts(prompt=prompt, negative_prompt=negative, networks=networks)

    first = decide(prompt, negative, hires=False)
    second = request.hires and decide(request.hires.prompt or prompt, request.hires.negative_prompt or negative, hires=True)
    labels, told = (tuple(expansion.labels.items()), expansion.comments) if expansion else ((), ())
    return PicturePrompts(first=first, hires=second, labels=labels, told=told)
