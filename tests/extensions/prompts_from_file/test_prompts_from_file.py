from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.service import GenerationService
from extensions.prompts_from_file.extension import read_lines
from tests.backend.stage import ask
from tests.extensions.running import pictures, run, running

TITLE = "Prompts from file or textbox"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    with running(tmp_path, "prompts_from_file") as (service, _):
        yield service


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("a cat", {"prompt": "a cat"}),
        ('--prompt "a dog" --steps 5 --seed 9', {"prompt": "a dog", "steps": "5", "seed": "9"}),
        ("--prompt a big dog --negative_prompt so ugly --cfg_scale 4.5", {"prompt": "a big dog", "negative_prompt": "so ugly", "cfg_scale": "4.5"}),
        ("--sampler_name 'DPM++ 2M' --tiling true", {"sampler_name": "DPM++ 2M", "tiling": True}),
        ("--sampler_index 1", {"sampler_name": "DPM++ SDE"}),
        ("--styles 'Cinematic, Ink'", {"styles": ("Cinematic", "Ink")}),
    ],
)
def test_a_line_is_a_prompt_or_options(line: str, values: dict[str, object]):
    (read,) = read_lines(f"\n{line}\n  \n")
    assert (read.values, read.comment) == (values, "")


@pytest.mark.parametrize(
    ("line", "comment"),
    [
        ("a cat -- no, a dog", "stands where an option"),
        ("--steps", "--steps has no value"),
        ("--nosuch 1", "--nosuch is no option. Known: --prompt"),
        ("--steps many", "Sampling steps"),
        ('--prompt "open', "No closing quotation"),
        ("--init_images x", "--init_images is no option"),
        ("--sampler_index 99", "a number from 0"),
    ],
)
def test_a_line_that_cannot_be_read_is_a_prompt_and_says_why(line: str, comment: str):
    (read,) = read_lines(line)
    assert read.values == {"prompt": line}
    assert comment in read.comment


def test_where_pictures_are_saved_is_not_a_lines_business():
    (read,) = read_lines("--prompt a --outpath_samples /tmp/elsewhere")
    assert read.values == {"prompt": "a"}
    assert "--outpath_samples changes nothing" in read.comment


def test_each_line_is_drawn_with_its_own_fields_beside_the_common_prompt(service: GenerationService, tmp_path: Path):
    lines = 'a cat\n--prompt "a dog" --steps 5 --seed 9 --sd_model second --n_iter 2\n'
    task = run(service, TITLE, ask("in snow", seed=7, negative_prompt="ugly"), prompts=lines, position="end")
    told = [image.infotext for image in pictures(task)]
    assert [text.splitlines()[0] for text in told] == ["in snow a cat", "in snow a dog", "in snow a dog"]
    assert ["Steps: 3" in told[0], "Steps: 5" in told[1], "Model: second" in told[1], "Model: tiny" in told[0]] == [True] * 4
    assert [image.seed for image in pictures(task)] == [7, 9, 10]
    assert all(image.path for image in pictures(task))
    start = run(service, TITLE, ask("in snow"), prompts="--prompt a cat --negative_prompt ugly")
    assert start.images[0].infotext.splitlines()[:2] == ["a cat in snow", "Negative prompt: ugly"]


def test_seeds_stay_count_up_or_are_drawn_once(service: GenerationService):
    same = run(service, TITLE, ask(seed=7), prompts="a\nb\nc")
    assert [image.seed for image in same.images] == [7, 7, 7]
    up = run(service, TITLE, ask(seed=7, n_iter=2), prompts="a\nb", iterate_seed=True)
    assert [image.seed for image in up.images] == [7, 8, 9, 10]
    once = run(service, TITLE, ask(seed=-1), prompts="a\nb", same_seed=True)
    assert len({image.seed for image in once.images}) == 1
    each = run(service, TITLE, ask(seed=-1), prompts="a\nb")
    assert len({image.seed for image in each.images}) == 2


def test_a_line_that_fails_is_named_and_the_others_are_drawn(service: GenerationService):
    task = run(service, TITLE, ask(""), prompts="refuse\na cat")
    assert (task.state, len(task.images)) == ("done", 1)
    assert any("refuse: This file is not a checkpoint." in comment for comment in task.comments)


def test_no_prompts_at_all_are_refused(service: GenerationService):
    assert "write one into each line" in str(run(service, TITLE, ask(), prompts=" \n").error)
