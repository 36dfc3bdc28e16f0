"""The strip over the real plan and queue: what is drawn, and what is not drawn again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from backend.drawn_before import Kept
from backend.images.metadata import Encoding, encode
from backend.infotext import read
from backend.service import GenerationService
from backend.tasks import Task
from backend.workers.local import LocalWorker
from extensions.lora_scrub.extension import STRIP, spread
from tests.backend.stage import ask, write_safetensors
from tests.backend.workers.fake_engine import FakeEngine
from tests.extensions.running import grids, pictures, run, running
from ui.scripts import pasted

TITLE = "LoRA scrub strip"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    with running(tmp_path, "lora_scrub", LocalWorker(engine)) as (opened, _):
        yield opened


def drawn(service: GenerationService, prompt: str = "a cat <lora:ink:0.5>", *, seed: int = 7, **values) -> Task:
    task = run(service, TITLE, ask(prompt, seed=seed), **{"count": 4, **values})
    assert task.error is None
    return task


def test_one_picture_at_each_weight_and_a_strip_in_front(service: GenerationService, engine: FakeEngine):
    task = drawn(service)
    assert [job.networks[0].unet_weight if job.networks else 0 for job in engine.jobs] == [-1, 0, 1, 2]
    assert [read(image.infotext)["Prompt"] for image in pictures(task)] == [f"a cat <lora:ink:{weight}>" for weight in (-1, 0, 1, 2)]
    assert {image.seed for image in pictures(task)} == {7}
    (strip,) = grids(task)
    assert (strip.front, strip.image.width) == (True, 4 * 16)


def test_asking_again_draws_nothing_and_gives_the_same_pictures(service: GenerationService, engine: FakeEngine, tmp_path: Path):
    first = drawn(service)
    saved = len(list((tmp_path / "outputs/txt2img-images").rglob("*.png")))
    again = drawn(service)
    assert len(engine.jobs) == 4
    assert [image.infotext for image in pictures(again)] == [image.infotext for image in pictures(first)]
    assert [image.image.tobytes() for image in pictures(again)] == [image.image.tobytes() for image in pictures(first)]
    assert "4 of 4 pictures came from the cache." in again.comments
    assert len(list((tmp_path / "outputs/txt2img-images").rglob("*.png"))) == saved


def test_a_finer_strip_draws_only_what_is_new(service: GenerationService, engine: FakeEngine):
    drawn(service)
    drawn(service, count=7)
    assert len(engine.jobs) == 7


@pytest.mark.parametrize("change", ["seed", "prompt", "setting", "file", "steps"])
def test_whatever_makes_another_picture_is_drawn(service: GenerationService, engine: FakeEngine, tmp_path: Path, change: str):
    drawn(service)
    prompt, seed, request = "a cat <lora:ink:0.5>", 7, {}
    match change:
        case "seed":
            seed = 8
        case "prompt":
            prompt = "a dog <lora:ink:0.5>"
        case "setting":
            service.settings.update({"CLIP_stop_at_last_layers": 2})
        case "file":
            write_safetensors(tmp_path / "models/Lora/ink.safetensors", {"other": "file"})
            service.catalog.refresh()
        case "steps":
            request = {"steps": 9}
    task = run(service, TITLE, ask(prompt, seed=seed, **request), count=4)
    assert (task.error, len(engine.jobs)) == (None, 8)


def test_what_does_not_change_the_picture_does_not_count(service: GenerationService, engine: FakeEngine):
    drawn(service)
    service.settings.update({"show_progress_every_n_steps": 1, "samples_filename_pattern": "[seed]"})
    drawn(service)
    assert len(engine.jobs) == 4


def test_a_lora_that_is_not_in_the_prompt_comes_in_with_its_words(service: GenerationService, tmp_path: Path):
    (tmp_path / "models/Lora/ink.json").write_text('{"activation text": "ink drawing"}', "utf-8")
    service.catalog.refresh()
    task = drawn(service, "a cat", lora="ink", first=1, last=2, count=2)
    assert [read(image.infotext)["Prompt"] for image in pictures(task)] == ["a cat <lora:ink:1> ink drawing", "a cat <lora:ink:2> ink drawing"]


def test_blocks_and_steps_of_the_tag_stay_and_other_loras_too(service: GenerationService, tmp_path: Path):
    write_safetensors(tmp_path / "models/Lora/oil.safetensors", {"which": "oil"})
    service.catalog.refresh()
    task = drawn(service, "<lora:oil:0.3> a cat <lora:ink:0.5:0.7:lbw=MIDD>", lora="ink", first=0, last=1, count=2)
    assert [read(image.infotext)["Prompt"] for image in pictures(task)] == [f"<lora:oil:0.3> a cat <lora:ink:{weight}:lbw=MIDD>" for weight in (0, 1)]


@pytest.mark.parametrize(("prompt", "lora", "sentence"), [("a cat", "", "Choose a LoRA"), ("a cat", "nobody", "There is no LoRA 'nobody'")])
def test_without_a_lora_nothing_is_drawn(service: GenerationService, engine: FakeEngine, prompt: str, lora: str, sentence: str):
    task = run(service, TITLE, ask(prompt), lora=lora)
    assert sentence in (task.error or "")
    assert engine.jobs == []


def test_weights_are_spread_evenly():
    assert spread(-1, 2, 7) == (-1, -0.5, 0, 0.5, 1, 1.5, 2)
    assert spread(1, 0, 3) == (1, 0.5, 0)


def test_a_damaged_file_of_the_cache_is_drawn_again(service: GenerationService, engine: FakeEngine):
    drawn(service)
    next((service.paths.cache / "drawn_before").glob("*.png")).write_bytes(b"cut off")
    drawn(service)
    assert len(engine.jobs) == 5


def test_what_was_asked_for_longest_ago_makes_room(tmp_path: Path):
    image = Image.effect_noise((64, 64), 50).convert("RGB")
    size = len(encode(image, "a", Encoding(format="png")))
    kept = Kept(tmp_path / "kept", most_bytes=2 * size + size // 2)
    for key in ("one", "two"):
        kept.put(key, image, "a")
    assert kept.get("one") is not None
    kept.put("three", image, "a")
    assert [kept.get(key) is None for key in ("one", "two", "three")] == [False, True, False]


def test_the_strips_parameters_fill_the_script_again(service: GenerationService):
    (strip,) = grids(drawn(service, first=0.0, last=1.0, count=3))
    assert pasted(service.hooks, read(strip.infotext)) | {} == {
        "script": TITLE,
        "script/lora_scrub_strip/lora": "ink",
        "script/lora_scrub_strip/first": 0,
        "script/lora_scrub_strip/last": 1,
        "script/lora_scrub_strip/count": 3,
    }


def test_a_hand_written_line_of_weights_fills_nothing(service: GenerationService):
    assert STRIP.read_infotext({"Scrub LoRA": "ink", "Scrub weights": "all of them"}) == {"lora": "ink"}
