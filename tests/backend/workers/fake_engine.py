"""An engine without torch: coloured pictures, and whatever the prompt says shall go wrong. Runs in this process or in a real child."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag

from PIL import Image

from backend.errors import Interrupted, NotFound, WebUIError
from backend.job import ExtrasJob, GeneratedImage, GenerateJob, HiresOptions, LoadJob, ToolJob
from backend.progress import CancelToken, Event, FirstPass, Preview, Status, Step


class FakeEngine:
    """Prompt words: "hang" waits for a cancel, "die" is killed, "exit" exits; "refuse", "missing", "bug", "memory", "never" raise;
    with "useless" the networks have no effect.
    """

    def __init__(self) -> None:
        self.jobs: list[GenerateJob] = []
        self.loads: list[str | None] = []  # names of checkpoints; None: memory was given back

    def generate(self, job: GenerateJob, on_event: Callable[[Event], None], cancel: CancelToken) -> tuple[GeneratedImage, ...]:
        self.jobs.append(job)
        on_event(Status(text="Loading checkpoint"))
        _go_wrong(job.prompts[0])
        steps = job.sampling.steps
        for step in range(1, steps + 1):
            if cancel.cancelled:
                return self._draw(job, complete=False)
            on_event(Step(step=step, steps=steps))
            if job.preview.every_steps and step % job.preview.every_steps == 0:
                on_event(Preview(image=Image.new("RGB", (8, 8), colour(job.seeds[0]))))
            if "hang" in job.prompts[0]:
                while not cancel.cancelled:
                    Flag().wait(0.002)
        if job.hires:
            self._second_pass(job, job.hires, on_event)
        return self._draw(job, complete=True)

    def _second_pass(self, job: GenerateJob, hires: HiresOptions, on_event: Callable[[Event], None]) -> None:
        """Goes wrong as the hires prompt says, after the pictures of the first pass were told."""
        for index, seed in enumerate(job.seeds if hires.tell_first else ()):
            on_event(FirstPass(image=Image.new("RGB", (job.width, job.height), colour(seed)), index=index))
        _go_wrong(hires.prompts[0])

    def postprocess(self, job: ExtrasJob, on_event: Callable[[Event], None], cancel: CancelToken) -> tuple[GeneratedImage, ...]:
        """Twice the size; a picture that starts with (1, 2, 3) hangs until a cancel."""
        on_event(Step(step=1, steps=2))
        while job.image.convert("RGB").getpixel((0, 0)) == (1, 2, 3) and not cancel.cancelled:
            Flag().wait(0.002)
        image = job.image.convert("RGB").resize((job.image.width * 2, job.image.height * 2))
        return (GeneratedImage(image=image, index=0, extra={step.name: "yes" for step in job.steps}, complete=not cancel.cancelled),)

    def load(self, job: LoadJob, on_event: Callable[[Event], None]) -> None:
        self.loads.append(job.model and job.model.checkpoint.name)

    def make(self, job: ToolJob, on_event: Callable[[Event], None], cancel: CancelToken) -> None:
        """Nothing."""

    def memory(self) -> dict[str, object]:
        return {"ram": {"free": 2.0, "used": 1, "total": 3.0}, "cuda": {"error": "unavailable"}}

    def embeddings(self) -> dict[str, object]:
        item = {"step": None, "sd_checkpoint": None, "sd_checkpoint_name": None, "shape": 768, "vectors": 2}
        return {"loaded": {"ink": item}, "skipped": {}}

    def _draw(self, job: GenerateJob, *, complete: bool) -> tuple[GeneratedImage, ...]:
        return tuple(
            GeneratedImage(
                image=Image.new("RGB", (job.width, job.height), colour(seed)),
                index=index,
                extra={"TI hashes": "ink: 0123456789ab"} if "ink" in job.prompts[index] else {},
                comments=("LoRA ink: 3 of 3 layers",) if job.networks else (),
                unused=tuple(network.label for network in job.networks) if "useless" in job.prompts[index] else (),
                complete=complete,
            )
            for index, seed in enumerate(job.seeds)
        )


def colour(seed: int) -> tuple[int, int, int]:
    return seed % 256, seed // 256 % 256, 100


def build() -> FakeEngine:
    return FakeEngine()


def build_once(marker: str) -> FakeEngine:
    """An engine that cannot be built the second time."""
    if Path(marker).exists():
        raise WebUIError("the marker is there already")
    Path(marker).touch()
    return FakeEngine()


def build_never() -> FakeEngine:
    Flag().wait()
    raise AssertionError


def _go_wrong(prompt: str) -> None:
    if "die" in prompt:
        os.kill(os.getpid(), signal.SIGKILL)
    if "exit" in prompt:
        os._exit(3)
    if "refuse" in prompt:
        raise WebUIError("This file is not a checkpoint.")
    if "missing" in prompt:
        raise NotFound("ink.safetensors is gone.")
    if "bug" in prompt:
        raise ZeroDivisionError("integer modulo by zero")
    if "memory" in prompt:
        raise MemoryError
    if "never" in prompt:
        raise Interrupted
