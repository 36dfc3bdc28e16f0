"""Wildcards over the real plan and queue, and what lies on the disk."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.infotext import read
from backend.plugins import Hooks
from backend.request import Hires
from backend.service import GenerationService
from backend.tasks import Task
from extensions.wildcards.files import OWN, Wildcards
from tests.backend.stage import ask
from tests.backend.test_service import PATIENCE
from tests.extensions.running import running


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[GenerationService, Hooks]]:
    for name, lines in {"animal": "cat\n\n# no animal\n  dog  \nfish\n", "deep/er/a": "one\n", "deep/b": "two\n", "style": "<lora:ink:0.5>\n"}.items():
        (path := tmp_path / f"wildcards/{name}.txt").parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines, "utf-8")
    with running(tmp_path, "wildcards") as found:
        yield found


@pytest.fixture
def service(opened: tuple[GenerationService, Hooks]) -> GenerationService:
    return opened[0]


def drawn(service: GenerationService, *args: str, **fields) -> Task:
    task = service.submit(ask(*args, **fields)).wait(PATIENCE)
    assert task.error is None
    return task


def prompts(task: Task) -> list[str]:
    return [read(image.infotext)["Prompt"] for image in task.images if not image.grid]


def test_each_picture_has_its_own_text_by_its_seed_at_any_place_in_a_batch(service: GenerationService):
    together = prompts(drawn(service, "a __animal__, {red|green|blue}", seed=5, batch_size=3, n_iter=2))
    alone = [prompts(drawn(service, "a __animal__, {red|green|blue}", seed=seed))[0] for seed in range(5, 11)]
    assert together == alone
    assert len(set(together)) > 1
    assert all(text.split(",")[0] in ("a cat", "a dog", "a fish") for text in together)


def test_the_engine_gets_what_the_parameters_tell_and_the_template_stands_beside_it(service: GenerationService):
    task = drawn(service, "a __animal__", negative_prompt="{bad|worse}")
    assert task.plan is not None
    labels = read(task.images[0].infotext)
    assert task.plan.jobs[0].prompts == (labels["Prompt"],)
    assert labels["Negative prompt"] in ("bad", "worse")
    assert (labels["Wildcard prompt"], labels["Wildcard negative prompt"]) == ("a __animal__", "{bad|worse}")


def test_a_plain_prompt_has_no_template(service: GenerationService):
    labels = read(drawn(service, "a cat, {braces}").images[0].infotext)
    assert (labels["Prompt"], "Wildcard prompt" in labels) == ("a cat, {braces}", False)


def test_a_wildcard_may_hold_a_lora(service: GenerationService):
    task = drawn(service, "a cat __style__")
    assert task.plan is not None
    assert [network.file.name for network in task.plan.jobs[0].networks] == ["ink.safetensors"]


def test_both_passes_have_the_same_text(service: GenerationService):
    request = replace(ask("a {1|2|3|4|5|6|7|8}", seed=11), hires=Hires(scale=2.0, upscaler="Latent"))
    task = service.submit(request).wait(PATIENCE)
    assert task.plan is not None
    job = task.plan.jobs[0]
    assert job.hires is not None
    assert job.hires.prompts == job.prompts


def test_a_wildcard_that_is_missing_is_told_and_stays(service: GenerationService):
    task = drawn(service, "a __nothing__ cat")
    assert prompts(task) == ["a __nothing__ cat"]
    assert "Error: There is no wildcard nothing." in task.comments


def test_a_pasted_picture_brings_its_template_back_and_draws_from_it_when_asked(opened: tuple[GenerationService, Hooks]):
    service, hooks = opened
    first = drawn(service, "a __animal__ {x|y}", seed=3)
    part = hooks.parts("txt2img")[0].of
    values = part.read_infotext(read(first.images[0].infotext))
    assert values == {"use_template": False, "template": "a __animal__ {x|y}", "negative_template": ""}
    again = service.submit(replace(ask("something else", seed=3), parts={"Wildcards": {**values, "use_template": True}})).wait(PATIENCE)
    assert prompts(again) == prompts(first)
    off = service.submit(replace(ask("something else", seed=3), parts={"Wildcards": dict(values)})).wait(PATIENCE)
    assert prompts(off) == ["something else"]
    assert part.read_infotext({"Template": "a {b|c}"})["template"] == "a {b|c}"  # Dynamic Prompts' name of it


def test_names_may_be_patterns_in_any_case_and_the_persons_file_goes_before_the_shipped_one(service: GenerationService, tmp_path: Path):
    folder = tmp_path / "wildcards"
    wildcards = Wildcards((folder, OWN))
    assert wildcards.lines("ANIMAL") == ("cat", "dog", "fish")
    assert wildcards.lines("deep/*") == ("two", "one")
    assert wildcards.lines("deep/er/a") == ("one",)
    assert wildcards.lines("nothing*") is None
    assert "spring" in (wildcards.lines("season") or ())
    (folder / "season.txt").write_text("monsoon", "utf-8")
    assert Wildcards((folder, OWN)).lines("season") == ("monsoon",)


def test_nothing_outside_the_folder_can_be_read(service: GenerationService, tmp_path: Path):
    (tmp_path / "secret.txt").write_text("secret", "utf-8")
    wildcards = Wildcards((tmp_path / "wildcards", OWN))
    assert [wildcards.lines(name) for name in ("../secret", str(tmp_path / "secret"), "animal/../../secret", "..*")] == [None] * 4


def test_folders_that_are_not_there_hold_nothing(tmp_path: Path):
    assert Wildcards((tmp_path / "no",)).names == ()
