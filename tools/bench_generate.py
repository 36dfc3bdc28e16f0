"""Time per step and fixed time per picture, beside diffusers' StableDiffusionPipeline with the same weights, size, steps and sampler (Euler).

python -m tools.bench_generate CHECKPOINT --size 256 [--steps 2 6] [--rounds 3] [--threads 2] [--sides float32 default diffusers]

Each side is a process of its own, which loads, warms up, and draws when it is told to; the sides take turns, so that a busy machine disturbs all alike.
Per side and number of steps the quickest of all rounds counts: seconds = fixed + steps · per step. Every picture has a new prompt, so that no side
can use a prompt's encoding again. Sides: float32 and default are this program (--no-half, and what it chooses by itself), diffusers is in float32.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

FLAGS = {"float32": ("--no-half",), "default": ()}
SIDES = (*FLAGS, "diffusers")
Draw = Callable[[int, int], object]  # steps, number of the picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--size", type=int, default=256, help="pixels, width and height")
    parser.add_argument("--steps", type=int, nargs=2, default=(2, 6), metavar="N")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--serve", choices=SIDES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.checkpoint, given.size)
    else:
        compare(given)


# One side: a process that draws when it is told to.


def serve(side: str, checkpoint: Path, size: int) -> None:
    draw = diffusers_side(checkpoint, size) if side == "diffusers" else our_side(checkpoint, size, FLAGS[side])
    draw(1, 0)
    answer("ready")
    for line in sys.stdin:
        steps, number = json.loads(line)
        start = time.perf_counter()
        draw(steps, number)
        answer(time.perf_counter() - start)


def answer(value: object) -> None:
    print("bench", json.dumps(value), flush=True)


def prompt(number: int) -> str:
    return f"a photo of a cat sitting on a red sofa, number {number}"


def our_side(checkpoint: Path, size: int, flags: Sequence[str]) -> Draw:
    """The whole of Engine.generate: resolve the file, encode, sample, decode."""
    from backend.flags import parse_flags
    from backend.generate import Engine
    from backend.job import ConditioningOptions, FileRef, GenerateJob, ModelOptions, PreviewOptions, SamplingOptions
    from backend.paths import Paths
    from backend.progress import CancelToken

    data = Path(tempfile.mkdtemp())
    parsed = parse_flags(["--data-dir", str(data), "--ckpt", str(checkpoint.absolute()), "--no-hashing", *flags])
    paths = Paths.from_flags(parsed, data)
    paths.ensure()
    engine = Engine.from_flags(parsed, paths)

    def draw(steps: int, number: int) -> object:
        job = GenerateJob(
            prompts=(prompt(number),),
            negative_prompts=("",),
            seeds=(number,),
            subseeds=(0,),
            subseed_strength=0.0,
            seed_resize_from=(0, 0),
            width=size,
            height=size,
            networks=(),
            sampling=SamplingOptions(sampler="Euler", steps=steps),
            conditioning=ConditioningOptions(),
            model=ModelOptions(checkpoint=FileRef(name=checkpoint.name)),
            preview=PreviewOptions(every_steps=0),
        )
        return engine.generate(job, lambda event: None, CancelToken())

    return draw


def diffusers_side(checkpoint: Path, size: int) -> Draw:
    """Plain modules of diffusers and transformers with the weights of the file, float32, in their pipeline."""
    import torch
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
    from transformers import CLIPTokenizer

    from backend.checkpoints.loader import load
    from backend.checkpoints.placement import Placement
    from backend.flags import parse_flags
    from backend.job import FileRef, ModelOptions
    from tools.demo_model.verify import SCHEDULE, tokenizer_folder

    model = load(checkpoint, None, Placement.choose(parse_flags(["--no-half"])), ModelOptions(checkpoint=FileRef(name=checkpoint.name)))
    prediction = "v_prediction" if model.architecture.prediction == "v" else "epsilon"
    scheduler = EulerDiscreteScheduler(**SCHEDULE, prediction_type=prediction, steps_offset=1)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = CLIPTokenizer.from_pretrained(str(tokenizer_folder(Path(folder))))
    pipeline = StableDiffusionPipeline(
        unet=fresh(model.unet),
        vae=fresh(model.vae),
        text_encoder=fresh(model.text_encoders[0]),
        tokenizer=tokenizer,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)

    def draw(steps: int, number: int) -> object:
        generator = torch.Generator().manual_seed(number)
        return pipeline(prompt(number), num_inference_steps=steps, guidance_scale=7.0, width=size, height=size, generator=generator).images

    return draw


def fresh(module):
    """A module of the same class and weights that nothing of ours has touched."""
    kind = type(module)
    copy = kind.from_config(module.config) if hasattr(kind, "from_config") else kind(module.config)
    copy.load_state_dict({name: tensor.float().contiguous() for name, tensor in module.state_dict().items()})
    return copy.eval()


# All sides in turn.


class Side:
    """The parent's end of one process."""

    def __init__(self, name: str, given: argparse.Namespace) -> None:
        command = [sys.executable, "-m", "tools.bench_generate", str(given.checkpoint.absolute()), "--size", str(given.size), "--serve", name]
        environment = {**os.environ, "OMP_NUM_THREADS": str(given.threads), "HF_HUB_OFFLINE": "1"}
        root = Path(__file__).parents[1]
        self.name = name
        self.seconds: dict[int, list[float]] = {steps: [] for steps in given.steps}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root, env=environment)
        self._heard()

    def draw(self, steps: int, number: int) -> None:
        to: IO[str] = self._process.stdin  # pyright: ignore[reportAssignmentType]
        to.write(f"{json.dumps((steps, number))}\n")
        to.flush()
        self.seconds[steps].append(self._heard())

    def _heard(self):
        while line := self._process.stdout.readline():  # pyright: ignore[reportOptionalMemberAccess]
            if line.startswith("bench "):
                return json.loads(line.removeprefix("bench "))
        raise SystemExit(f"The process of side {self.name} ended (see above).")

    def close(self) -> None:
        self._process.stdin.close()  # pyright: ignore[reportOptionalMemberAccess]
        self._process.wait()

    @property
    def per_step(self) -> float:
        (few, few_seconds), (many, many_seconds) = ((steps, min(seconds)) for steps, seconds in sorted(self.seconds.items()))
        return (many_seconds - few_seconds) / (many - few)

    @property
    def fixed(self) -> float:
        few = min(self.seconds)
        return min(self.seconds[few]) - few * self.per_step


def compare(given: argparse.Namespace) -> None:
    sides = [Side(name, given) for name in given.sides]
    try:
        number = 1
        for turn in range(given.rounds):
            for steps in given.steps:
                for side in sides[turn % len(sides) :] + sides[: turn % len(sides)]:  # another one begins each time
                    side.draw(steps, number)
                number += 1
    finally:
        for side in sides:
            side.close()
    report(sides, given)


def report(sides: Sequence[Side], given: argparse.Namespace) -> None:
    print(f"{given.checkpoint.name}, {given.size} × {given.size}, {given.threads} threads, quickest of {given.rounds} rounds at {given.steps} steps")
    print(f"{'':10} {'per step':>10} {'fixed':>10}" + ("   of diffusers'" if "diffusers" in given.sides else ""))
    reference = next((side for side in sides if side.name == "diffusers"), None)
    for side in sides:
        ratios = f"   {side.per_step / reference.per_step:.2f} and {side.fixed / reference.fixed:.2f}" if reference not in (None, side) else ""
        print(f"{side.name:10} {side.per_step:9.3f}s {side.fixed:9.3f}s{ratios}")


if __name__ == "__main__":
    main()
