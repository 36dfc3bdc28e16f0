"""What one pass draws with: a model in memory, networks applied, prompts encoded; and what of that lives from job to job."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from weakref import WeakKeyDictionary

from backend.catalog import Catalog
from backend.checkpoints.memory import Models
from backend.checkpoints.model import Model
from backend.checkpoints.small_vae import SmallVaes
from backend.conditioning.conditioning import Encoded, PromptCache, encode_prompts
from backend.conditioning.text_encoder import width
from backend.conditioning.textual_inversion import Bundled, EmbeddingStore
from backend.job import GenerateJob, ModelOptions, NetworkRef
from backend.networks.patch import Patcher
from backend.networks.report import NetworkReport
from backend.progress import CancelToken, Event, Status, Step
from backend.sampling.changes import Changes
from backend.sampling.samplers import calls_a_step, calls_total

OnEvent = Callable[[Event], None]
NetworkFile = tuple[NetworkRef, Path]


@dataclass(frozen=True, eq=False)
class Stage:
    """Holds until another stage is opened: there may be one model only in memory, and networks change its weights."""

    job: GenerateJob  # of this pass
    model: Model
    encoded: Encoded
    patcher: Patcher
    networks: Sequence[NetworkFile]
    reports: Sequence[NetworkReport]
    calls_before: int  # of the first pass, where this is the second

    def before_call(self, call: int) -> None:
        """Makes the networks those of the step that this call of the U-Net belongs to."""
        if any(network.timed for network, _ in self.networks):
            self.patcher.become(self.networks, call // calls_a_step(self.job.sampling))

    @property
    def padding(self) -> dict[str, str]:
        """What A1111 writes where prompt and negative prompt had to be made equally long."""
        options = self.job.sampling
        if self.encoded.cond.at(0).cross.shape[1] == self.encoded.uncond.at(0).cross.shape[1]:
            return {}
        return {"Pad conds v0": "True"} if options.pad_cond_uncond_v0 else {"Pad conds": "True"} if options.pad_cond_uncond else {}

    @property
    def extra(self) -> Mapping[str, str]:
        return {**self.encoded.extra, **self.padding, **self.model.small}


class Run:
    """One job on its way: what it opens is its own until it ends."""

    def __init__(self, stages: "Stages", on_event: OnEvent, cancel: CancelToken, steps_to_come: int = 0, changes: Changes | None = None) -> None:
        """steps_to_come: of the passes after the first. changes: of extensions."""
        self.changes = Changes() if changes is None else changes
        self.on_event, self.cancel = on_event, cancel
        self.opened: list[Stage] = []
        self._stages, self._loans = stages, ExitStack()
        self._before, self._latest, self._to_come = 0, 0, steps_to_come

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self._loans.close()

    def open(self, job: GenerateJob, *, calls_before: int = 0, encode_with: Sequence[NetworkRef] | None = None) -> Stage:
        """Raises WebUIError if a file cannot be used."""
        model = self._loans.enter_context(self._stages.loaded(job.model, self.on_event))
        stage = self._stages.ready(model, job, calls_before=calls_before, encode_with=encode_with)
        self.opened.append(stage)
        return stage

    def encode(self, stage: Stage, prompt: str, negative_prompt: str) -> Encoded:
        """Other prompts than the stage's, for each of its pictures."""
        job = replace(stage.job, prompts=(prompt,) * stage.job.batch_size, negative_prompts=(negative_prompt,) * stage.job.batch_size)
        return self._stages.encode(stage.model, job, stage.patcher, stage.calls_before)

    def step(self, step: int, steps: int) -> None:
        """Counted through all passes."""
        self._latest = steps
        self.on_event(Step(step=self._before + step, steps=self._before + steps + self._to_come))

    def next_pass(self) -> None:
        self._before, self._to_come = self._before + self._latest, 0

    @property
    def small(self) -> SmallVaes:
        return self._stages.models.small

    @property
    def comments(self) -> tuple[str, ...]:
        told = (
            comment for stage in self.opened for comment in (*stage.encoded.comments, *(report.describe() for report in stage.reports), *stage.model.missed)
        )
        return tuple(dict.fromkeys((*told, *self.changes.comments)))

    @property
    def extra(self) -> dict[str, str]:
        """Infotext fields; where two stages tell the same one, the first counts."""
        return {label: value for stage in reversed(self.opened) for label, value in stage.extra.items()}

    @property
    def unused(self) -> tuple[str, ...]:
        """Labels of the networks that had no effect anywhere."""
        reports = [report for stage in self.opened for report in stage.reports]
        useful = {report.label for report in reports if not report.in_vain}
        return tuple(dict.fromkeys(report.label for report in reports if report.label not in useful))


class Stages:
    """Loaded models, their patchers, textual inversions and encoded prompts."""

    def __init__(self, models: Models, catalog: Catalog) -> None:
        self.models = models
        self._catalog = catalog
        self._patchers: WeakKeyDictionary[Model, Patcher] = WeakKeyDictionary()
        self._embeddings = EmbeddingStore()
        self._prompts = PromptCache()
        self._text_width: int | None = None  # of the latest model: tells which embeddings fit

    def loaded(self, options: ModelOptions, on_event: OnEvent) -> AbstractContextManager[Model]:
        checkpoint = self._catalog.resolve("checkpoint", options.checkpoint).path
        vae = self._catalog.resolve("vae", options.vae).path if options.vae else None
        return self.models.loaded(checkpoint, vae, options, lambda name: on_event(Status(text=f"Loading {name} …")))

    def ready(self, model: Model, job: GenerateJob, *, calls_before: int = 0, encode_with: Sequence[NetworkRef] | None = None) -> Stage:
        """calls_before: of the first pass, where this is the second; prompt editing counts on.

        encode_with: networks that the prompts are encoded with; None = the job's.
        """
        networks, patcher = self._files(job.networks), self._patcher(model)
        reports = patcher.become(networks if encode_with is None else self._files(encode_with))
        encoded = self.encode(model, job, patcher, calls_before)
        if encode_with is not None:
            reports = patcher.become(networks)
        return Stage(job, model, encoded, patcher, networks, reports, calls_before)

    def forget(self) -> None:
        """Gives memory back."""
        self._prompts = PromptCache()
        self.models.close()

    def note(self, model: Model) -> None:
        """The model that is in memory."""
        self._text_width = sum(width(encoder) for encoder in model.text_encoders)

    def embeddings(self) -> dict[str, dict[str, dict[str, object]]]:
        """Textual inversions that fit the loaded checkpoint, and the others; all fit where none is loaded yet."""
        self._read_embeddings()
        return self._embeddings.listing(self._text_width)

    def encode(self, model: Model, job: GenerateJob, patcher: Patcher, calls_before: int) -> Encoded:
        """With the networks that are applied now."""
        self._read_embeddings([Bundled(name=one.word, network=one.label, source=one.file, tensors=one.tensors) for one in patcher.bundled])
        self.note(model)
        return encode_prompts(
            model,
            job,
            total_calls=calls_total(job.sampling),
            calls_before=calls_before,
            embeddings=self._embeddings,
            cache=self._prompts,
            networks_key=patcher.key,
        )

    def _patcher(self, model: Model) -> Patcher:
        if model not in self._patchers:
            self._patchers[model] = Patcher(model)
        return self._patchers[model]

    def _files(self, networks: Sequence[NetworkRef]) -> list[NetworkFile]:
        return [(network, self._catalog.resolve("lora", network.file).path) for network in networks]

    def _read_embeddings(self, bundled: Sequence[Bundled] | None = None) -> None:
        """bundled: with the networks that are applied; None: as before."""
        self._catalog.refresh("embedding")  # a scan of one folder; files that did not change are not read again
        self._embeddings.load(self._catalog.entries("embedding"), bundled)
