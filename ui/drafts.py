"""Drafts: small pictures of few steps that follow a slider. One per page at most; the newest wins; nothing of them is saved."""

import secrets
from dataclasses import replace

from backend.request import GenerationRequest
from backend.service import GenerationService
from backend.tasks import Task

STEPS = 8
SIDE = 256  # pixels of the longer side of an SD1 picture; what the checkpoint was made for scales it
NATIVE = 512
PREFIX = "draft-"


def submit_draft(service: GenerationService, request: GenerationRequest, client: str, *, seed: int) -> Task:
    """seed: of all drafts of a sitting. The client's older draft ends at its next step, or leaves the queue; so the queue never holds more than one of each."""
    stop_drafts(service, client)
    return service.submit(draft_of(request, seed), id_task=f"{PREFIX}{client}-{secrets.token_hex(8)}", save_samples=False, save_grid=False, counted=False)


def is_draft(task: Task) -> bool:
    return task.id.startswith(PREFIX)


def stop_drafts(service: GenerationService, client: str) -> None:
    """End those that run or wait, and forget those that ended."""
    for task in service.tasks():
        if task.id.startswith(f"{PREFIX}{client}-"):
            service.interrupt(task.id)
            service.forget(task.id)


def draft_of(request: GenerationRequest, seed: int) -> GenerationRequest:
    """One picture of this seed and the same shape, half as wide and high, of few steps, without a second pass."""
    size = replace(request.size, width=_half(request.size.width), height=_half(request.size.height))
    sampling = replace(request.sampling, steps=min(request.sampling.steps, STEPS))
    overrides = {**request.override_settings, "grid_save": False, "return_grid": False}
    return replace(
        request,
        seed=replace(request.seed, seed=seed),
        size=size,
        sampling=sampling,
        batch_size=1,
        n_iter=1,
        hires=None,
        refiner=None,
        script=None,
        override_settings=overrides,
    )


def state_of(service: GenerationService, task: Task) -> dict[str, object]:
    """As JSON, for the page that asked."""
    job = task.plan.jobs[0] if task.plan else None
    return {
        "ended": task.finished is not None,
        "error": task.error or "",
        "waiting": service.queue_position(task),
        "step": task.step,
        "steps": task.steps,
        "status": task.status,
        "about": f"{job.sampling.steps} steps, {job.width} × {job.height}, seed {job.seeds[0]}" if job else "",
    }


def _half(pixels: int) -> int:
    """A multiple of 8 that a U-Net with three halvings takes; small pictures stay as they are."""
    return pixels if pixels <= SIDE else max(pixels // 2 // 64 * 64, SIDE)
