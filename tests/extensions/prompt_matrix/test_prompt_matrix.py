from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.errors import WebUIError
from backend.service import GenerationService
from extensions.prompt_matrix.extension import combinations, legend
from tests.backend.stage import ask
from tests.backend.test_service import PATIENCE, until
from tests.backend.workers.fake_engine import colour
from tests.extensions.running import grids, pictures, run, running, submit, table

TITLE = "prompt matrix"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    with running(tmp_path, "prompt_matrix") as (service, _):
        yield service


def test_every_combination_comes_once_and_the_first_part_is_in_all():
    assert combinations("a cat|red |in snow", at_start=False, separator=", ") == ("a cat", "a cat, red", "a cat, in snow", "a cat, red, in snow")
    assert combinations("a cat|red|in snow", at_start=True, separator=" ") == ("a cat", "red a cat", "in snow a cat", "red in snow a cat")
    assert combinations("a cat", at_start=False, separator=", ") == ("a cat",)


def test_too_many_parts_are_refused():
    with pytest.raises(WebUIError, match="8192 pictures"):
        combinations("a" + "|b" * 13, at_start=False, separator=", ")


def test_half_of_the_parts_go_across_and_half_down():
    columns, rows = legend(("red", "in snow", "at night"))
    assert [[(label.text, label.active) for label in labels] for labels in columns] == [[("red", bool(n & 1)), ("in snow", bool(n & 2))] for n in range(4)]
    assert [[label.active for label in labels] for labels in rows] == [[False], [True]]


def test_the_grid_comes_first_and_one_seed_is_for_all(service: GenerationService, tmp_path: Path):
    task = run(service, TITLE, ask("a cat|red|in snow", seed=7))
    assert (task.state, task.error) == ("done", None)
    assert [image.infotext.splitlines()[0] for image in pictures(task)] == ["a cat", "a cat, red", "a cat, in snow", "a cat, red, in snow"]
    assert [image.seed for image in pictures(task)] == [7] * 4
    (grid,) = grids(task)
    assert grid.front and grid.infotext == pictures(task)[0].infotext
    assert grid.path is not None and all(image.path for image in pictures(task))


def test_each_picture_may_have_its_own_seed_and_stands_in_its_place(service: GenerationService):
    task = run(service, TITLE, ask("a cat|red|in snow", seed=7), different_seeds=True, margin_size=4)
    assert table(grids(task)[0].image, 2, 2, (16, 8), 4) == [[colour(7), colour(8)], [colour(9), colour(10)]]


def test_the_negative_prompt_may_be_the_one_that_varies(service: GenerationService):
    task = run(service, TITLE, ask("a|b", negative_prompt="ugly|blurry"), prompt_type="negative", variations_delimiter="space")
    assert [image.infotext.splitlines()[:2] for image in pictures(task)] == [["a|b", "Negative prompt: ugly"], ["a|b", "Negative prompt: ugly blurry"]]


def test_an_interruption_keeps_what_is_there(service: GenerationService):
    task = submit(service, TITLE, ask("a cat|hang"))
    until(lambda: task.batch == 1 and task.step > 0)
    service.interrupt()
    task.wait(PATIENCE)
    assert task.state == "interrupted"
    assert len(grids(task)) == 1
    assert table(grids(task)[0].image, 2, 1, (16, 8)) == [[colour(7), (232, 232, 232)]]
