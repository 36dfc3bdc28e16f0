"""Networks on the shipped checkpoint, from tag to picture: what changes on the way leaves no trace."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from backend.errors import Interrupted
from backend.fields import to_request
from backend.flags import parse_flags
from backend.generate import Engine
from backend.job import GeneratedImage
from backend.networks.patch import Patcher
from backend.paths import Paths
from backend.plan import plan
from backend.progress import CancelToken, Event, Step
from backend.prompts.styles import StyleTable
from backend.settings import Settings

MODELS = Path(__file__).resolve().parents[2] / "models"
PROMPT = "a cat <lora:neon:1>"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("engine")
    models = folder / "models"
    for kind in ("Stable-diffusion", "Lora"):
        models.mkdir(exist_ok=True)
        (models / kind).mkdir()
    (models / "Stable-diffusion/demo-emoji.safetensors").symlink_to(MODELS / "Stable-diffusion/demo-emoji.safetensors")
    for path in MODELS.glob("Lora/demo/*.safetensors"):
        (models / "Lora" / path.name).symlink_to(path)
    module = "lora_unet_double_blocks_0_img_attn_proj"
    save_file({f"{module}.lora_{part}.weight": torch.ones(2, 2) for part in ("up", "down")}, models / "Lora/flux.safetensors")
    flags = parse_flags(["--data-dir", str(folder)])
    paths = Paths.from_flags(flags, folder)
    paths.ensure()
    yield Engine.from_flags(flags, paths)


def draw(engine: Engine, prompt: str, cancel: CancelToken | None = None, on_event=lambda event: None, **asked: object) -> GeneratedImage:
    request = to_request({"prompt": prompt, "steps": 4, "width": 64, "height": 64, "seed": 5, "sampler_name": "Euler", **asked})
    (job,) = plan(request, Settings(), engine.catalog, StyleTable([]), draw=random.Random(0)).jobs
    return engine.generate(job, on_event, cancel or CancelToken())[0]


def pixels(engine: Engine, prompt: str, **asked: object) -> bytes:
    return draw(engine, prompt, **asked).image.tobytes()


def test_a_network_for_all_steps_is_a_network(engine: Engine):
    always = pixels(engine, PROMPT)
    assert pixels(engine, "a cat <lora:neon:1:start=0:stop=1.0>") == always
    assert pixels(engine, "a cat <lora:neon:1:lbw=ALL>") == always
    assert pixels(engine, "a cat <lora:neon:0:1:start=4>") == pixels(engine, "a cat <lora:neon:0>") != always


@pytest.mark.parametrize("sampler", ["Heun", "UniPC"])
def test_a_part_of_the_steps_is_something_else_and_leaves_nothing_behind(engine: Engine, sampler: str):
    plain, always = pixels(engine, "a cat", sampler_name=sampler), pixels(engine, PROMPT, sampler_name=sampler)
    early, late = (pixels(engine, f"a cat <lora:neon:0:1:{when}>", sampler_name=sampler) for when in ("stop=0.5", "start=0.5"))
    assert len({plain, always, early, late}) == 4
    assert pixels(engine, "a cat", sampler_name=sampler) == plain
    assert pixels(engine, "a cat <lora:neon:0:1:stop=2>", sampler_name=sampler) == early


def test_weights_change_between_two_steps(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    become, told = Patcher.become, list[tuple[int, bool]]()

    def told_become(self, networks, step=0):
        before = self.writes
        reports = become(self, networks, step)
        told.append((step, self.writes > before))
        return reports

    pixels(engine, "a cat")
    monkeypatch.setattr(Patcher, "become", told_become)
    pixels(engine, "a cat <lora:neon:1:start=1:stop=3>", sampler_name="Heun")
    assert [step for step, _ in told] == [0, 0, 0, 1, 1, 2, 2, 3]  # once for the encoding; two calls a step, but for the last
    assert [number for number, (_, written) in enumerate(told) if written] == [3, 7]


def test_an_interrupt_on_the_way_leaves_nothing_behind(engine: Engine):
    plain, cancel = pixels(engine, "a cat"), CancelToken()

    def on_event(event: Event) -> None:
        if isinstance(event, Step) and event.step == 2:
            cancel.interrupt()

    try:
        assert not draw(engine, "a cat <lora:neon:1:stop=3>", cancel, on_event).complete
    except Interrupted:
        pytest.fail("there was something to show")
    assert pixels(engine, "a cat") == plain


def test_an_error_on_the_way_leaves_nothing_behind(engine: Engine):
    plain = pixels(engine, "a cat")

    def on_event(event: Event) -> None:
        if isinstance(event, Step) and event.step == 3:
            raise MemoryError

    with pytest.raises(MemoryError):
        draw(engine, "a cat <lora:neon:1:stop=2>", on_event=on_event)
    assert pixels(engine, "a cat") == plain


def test_a_network_that_fits_nothing_is_an_error_and_the_picture_is_made_without_it(engine: Engine):
    drawn = draw(engine, "a cat <lora:flux:1><lora:neon:1>")
    assert drawn.unused == ("flux",)
    assert [comment.startswith("Error: LoRA flux has no effect") for comment in drawn.comments] == [True, False]
    assert drawn.image.tobytes() == pixels(engine, PROMPT)
