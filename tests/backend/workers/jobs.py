"""Jobs for workers: nothing in them matters but prompts, seeds, size and steps."""

from backend.job import ConditioningOptions, FileRef, GenerateJob, ModelOptions, PreviewOptions, SamplingOptions


def job(prompt: str = "a cat", *, seeds: tuple[int, ...] = (1,), steps: int = 3, preview_every: int = 0) -> GenerateJob:
    n = len(seeds)
    return GenerateJob(
        prompts=(prompt,) * n,
        negative_prompts=("",) * n,
        seeds=seeds,
        subseeds=(0,) * n,
        subseed_strength=0.0,
        seed_resize_from=(0, 0),
        width=16,
        height=8,
        networks=(),
        sampling=SamplingOptions(steps=steps),
        conditioning=ConditioningOptions(),
        model=ModelOptions(checkpoint=FileRef(name="tiny.safetensors")),
        preview=PreviewOptions(every_steps=preview_every),
    )
