"""What the U-Net is told at each call, batched: AND parts, prompt editing, SDXL's vectors; encoded prompts are kept."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from backend.conditioning.schedule_encoder import EncodedTexts, ScheduleEncoder, TextModel
from backend.conditioning.size_vector import size_vector
from backend.conditioning.text_encoder import width
from backend.conditioning.textual_inversion import EmbeddingStore
from backend.job import GenerateJob
from backend.prompts.schedule import Schedule, entry_at, prompt_schedule, split_and
from backend.prompts.tokenizer import Tokenizer

WITH_VECTOR = ("SDXL", "SDXL Refiner")


@dataclass(frozen=True, eq=False)
class StepCond:
    """For one U-Net call. P = the AND parts of the whole batch, image by image."""

    cross: Tensor  # (P, tokens, width) float32; shorter ones are extended by their last vector
    vector: Tensor | None  # (P, adm) for SDXL
    parts: tuple[tuple[tuple[int, float], ...], ...]  # per image: (row in cross, weight)


@dataclass(frozen=True, eq=False)
class EncodedPrompt:
    """One AND part of one image: its texts over the steps, encoded."""

    schedule: Schedule
    rows: Mapping[str, int]  # text → row in cross
    cross: Tensor  # (V, tokens, width)
    vector: Tensor | None  # (V, adm)
    weight: float = 1.0

    def row_at(self, call: int) -> int:
        return self.rows[self.schedule[entry_at(self.schedule, call)][1]]


class Conditioning:
    """The prompts of a batch, or its negative prompts."""

    def __init__(self, images: Sequence[Sequence[EncodedPrompt]], empty: Callable[[], Tensor]) -> None:
        self._empty = empty
        self._prompts = [prompt for prompts in images for prompt in prompts]
        self._parts = _numbered(images)
        self._steps: dict[tuple[int, ...], StepCond] = {}

    def at(self, call: int) -> StepCond:
        """call = 0-based number of the U-Net call; the same object as long as nothing changes."""
        rows = tuple(prompt.row_at(call) for prompt in self._prompts)
        if rows not in self._steps:
            self._steps[rows] = self._step(rows)
        return self._steps[rows]

    @property
    def empty(self) -> Tensor:
        """(1, 77, width): the empty prompt, to pad with; encoded when it is first asked for."""
        return self._empty()

    def _step(self, rows: Sequence[int]) -> StepCond:
        cross = [prompt.cross[row] for prompt, row in zip(self._prompts, rows, strict=True)]
        vectors = [prompt.vector[row] for prompt, row in zip(self._prompts, rows, strict=True) if prompt.vector is not None]
        length = max(len(one) for one in cross)
        stacked = torch.stack([torch.cat([one, one[-1:].expand(length - len(one), -1)]) for one in cross])
        return StepCond(stacked, torch.stack(vectors) if vectors else None, self._parts)


@dataclass(frozen=True, eq=False)
class Encoded:
    """All that became of a job's prompts."""

    cond: Conditioning
    uncond: Conditioning  # one part per image, weight 1
    used_embeddings: tuple[tuple[str, str], ...]  # (name, short hash) in A1111's order, once per encoder
    comments: tuple[str, ...]
    extra: Mapping[str, str]  # infotext fields: "TI hashes", "Emphasis"


class PromptCache:
    """Encoded texts by all that they depend on, the longest unused thrown out first; and the tokenizer."""

    def __init__(self, most_entries: int = 256, most_bytes: int = 256 << 20) -> None:
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._entries: OrderedDict[Hashable, EncodedTexts] = OrderedDict()
        self._models: WeakKeyDictionary[TextModel, int] = WeakKeyDictionary()
        self._model_count = 0
        self.encodings = 0  # counts what was really encoded

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return Tokenizer()

    @property
    def bytes(self) -> int:
        return sum(entry.bytes for entry in self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def encode(self, encoder: ScheduleEncoder, counts: Mapping[str, int], depends_on: Hashable) -> EncodedTexts:
        """Encoded before under the same circumstances, or now."""
        key = (tuple(counts.items()), depends_on)
        if key not in self._entries:
            self.encodings += 1
            self._entries[key] = encoder.encode(counts)
            while len(self._entries) > self._most_entries or (self.bytes > self._most_bytes and len(self._entries) > 1):
                self._entries.popitem(last=False)
        self._entries.move_to_end(key, last=True)
        return self._entries[key]

    def number(self, model: TextModel) -> int:
        """A loaded model, for keys: another number after it was loaded anew, since its file may be another."""
        if model not in self._models:
            self._model_count += 1
            self._models[model] = self._model_count
        return self._models[model]


def encode_prompts(
    model: TextModel, job: GenerateJob, *, total_calls: int, embeddings: EmbeddingStore, cache: PromptCache, networks_key: Hashable, calls_before: int = 0
) -> Encoded:
    """total_calls: steps × calls a step; networks_key: what networks do to the text encoders now; calls_before: of the first pass, where this is the second."""
    prompts = _Prompts(model, job, (total_calls, calls_before), embeddings, cache, networks_key)
    uncond = [[prompts.encode(text, 1.0, negative=True)] for text in job.negative_prompts]  # first, as the order of used embeddings tells
    cond = [[prompts.encode(text, weight) for text, weight in split_and(prompt)] for prompt in job.prompts]
    return Encoded(
        cond=Conditioning(cond, prompts.empty),
        uncond=Conditioning(uncond, prompts.empty),
        used_embeddings=tuple(prompts.used),
        comments=tuple(dict.fromkeys(prompts.comments)),
        extra=prompts.extra(),
    )


class _Prompts:
    """The prompts of one job on their way."""

    def __init__(
        self, model: TextModel, job: GenerateJob, calls: tuple[int, int], embeddings: EmbeddingStore, cache: PromptCache, networks_key: Hashable
    ) -> None:
        self._family = model.architecture.family
        self._options = job.conditioning
        self._size = (job.width, job.height)
        self._total_calls, self._calls_before = calls
        self._cache = cache
        fitting = embeddings.fitting(sum(width(encoder) for encoder in model.text_encoders), cache.tokenizer)
        self._encoder = ScheduleEncoder(model, job.conditioning, cache.tokenizer, fitting)
        self._depends_on = (cache.number(model), networks_key, embeddings.revision, job.conditioning)
        self._done: dict[tuple[str, bool], EncodedPrompt] = {}
        self.used: list[tuple[str, str]] = []
        self.comments: list[str] = []

    def encode(self, text: str, weight: float, *, negative: bool = False) -> EncodedPrompt:
        """Equal prompts of a batch share their tensors."""
        if (text, negative) not in self._done:
            self._done[text, negative] = self._encoded(text, negative)
        prompt = self._done[text, negative]
        return EncodedPrompt(prompt.schedule, prompt.rows, prompt.cross, prompt.vector, weight)

    def empty(self) -> Tensor:
        return self.encode("", 1.0).cross

    def extra(self) -> dict[str, str]:
        """As A1111 writes them."""
        hashes = ", ".join(f"{name}: {short}" for name, short in self.used)
        return ({"TI hashes": hashes} if hashes else {}) | ({"Emphasis": self._options.emphasis} if self._emphasis_matters() else {})

    def _emphasis_matters(self) -> bool:
        texts = [text for prompt in self._done.values() for text in prompt.rows]
        brackets = any("(" in text or "[" in text for text in texts) and not self._options.old_emphasis
        return self._options.emphasis == "Compel" or (self._options.emphasis != "Original" and brackets)

    def _encoded(self, text: str, negative: bool) -> EncodedPrompt:
        schedule = prompt_schedule(text, self._total_calls, old=self._options.old_scheduling, before=self._calls_before)
        counts = Counter(entry for _, entry in schedule)
        encoded = self._cache.encode(self._encoder, counts, self._depends_on)
        self._note(encoded)
        cross, pooled = encoded.cross, encoded.pooled
        if negative and self._family in WITH_VECTOR and set(counts) == {""}:  # A1111: an empty negative prompt of SDXL is nothing at all
            cross, pooled = torch.zeros_like(cross), None if pooled is None else torch.zeros_like(pooled)
        return EncodedPrompt(schedule, {entry: i for i, entry in enumerate(counts)}, cross, self._vector(pooled, negative))

    def _note(self, encoded: EncodedTexts) -> None:
        """A1111 puts the hashes of each further prompt before those of the earlier ones."""
        names = [(embedding.name.replace(":", "").replace(",", ""), embedding.short_hash) for embedding in encoded.used]
        self.used[:0] = [(name, short) for name, short in names if short]
        self.comments += encoded.comments

    def _vector(self, pooled: Tensor | None, negative: bool) -> Tensor | None:
        """(V, adm): the pooled text, then the sizes."""
        if pooled is None:
            return None
        sizes = size_vector(self._family, self._size, self._options, negative=negative).to(pooled)
        return torch.cat([pooled, sizes.expand(len(pooled), -1)], dim=1)


def _numbered(images: Sequence[Sequence[EncodedPrompt]]) -> tuple[tuple[tuple[int, float], ...], ...]:
    parts = []
    row = 0
    for prompts in images:
        parts.append(tuple((row + i, prompt.weight) for i, prompt in enumerate(prompts)))
        row += len(prompts)
    return tuple(parts)
