from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from backend.errors import Interrupted
from backend.infotext import read
from backend.job import GeneratedImage, GenerateJob
from backend.progress import CancelToken, Event
from backend.service import GenerationService
from backend.tasks import Task
from backend.workers.local import LocalWorker
from extensions.xyz_plot.extension import XyzPlot
from tests.backend.stage import ask
from tests.backend.test_service import PATIENCE, until
from tests.backend.workers.fake_engine import FakeEngine, colour
from tests.extensions.running import grids, pictures, run, running, submit, table

TITLE = "x/y/z plot"
SIZE = (16, 8)  # of the pictures that `ask` asks for
BLANK = (232, 232, 232)


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    with running(tmp_path, "xyz_plot", LocalWorker(engine)) as (service, _):
        yield service


def plot(service: GenerationService, prompt: str = "a cat", *, seed: int = 7, n_iter: int = 1, **values: object) -> Task:
    return run(service, TITLE, ask(prompt, seed=seed, n_iter=n_iter), **values)


def test_each_combination_is_drawn_saved_and_stands_in_its_place(service: GenerationService):
    task = plot(service, x_type="Seed", x_values="5,6,7", y_type="Steps", y_values="2,4", include_lone_images=True, margin_size=2)
    assert (task.state, task.error, task.comments) == ("done", None, ())
    (grid,) = grids(task)
    assert grid.front and grid.path
    assert table(grid.image, 3, 2, SIZE, 2) == [[colour(5), colour(6), colour(7)]] * 2
    assert all(image.path for image in pictures(task))
    told = [(read(image.infotext)["Seed"], read(image.infotext)["Steps"]) for image in pictures(task)]
    assert told == [(seed, steps) for steps in "24" for seed in "567"]


def test_pictures_are_seen_while_they_come_and_only_the_grid_at_the_end(service: GenerationService, tmp_path: Path):
    task = submit(service, TITLE, ask("a cat hang"), x_type="Seed", x_values="5,6")
    until(lambda: task.step > 0)
    service.skip()
    until(lambda: len(task.images) == 1)
    assert not task.images[0].grid
    until(lambda: task.batch == 1 and task.step > 0)
    service.skip()
    task.wait(PATIENCE)
    assert [image.grid for image in task.images] == [True]


def test_the_parameters_of_the_grid_say_how_to_make_it_again(service: GenerationService):
    task = plot(service, x_type="Sampler", x_values_dropdown=["Euler", "DDIM"], y_type="Seed", y_values="-1, 5")
    labels = read(grids(task)[0].infotext)
    seeds = [int(seed) for seed in labels["Fixed Y Values"].split(", ")]
    assert seeds[0] >= 0 and seeds[1] == 5
    assert labels["Script"] == "X/Y/Z plot"
    assert (labels["X Type"], labels["X Values"], labels["Y Type"], labels["Y Values"]) == ("Sampler", "Euler,DDIM", "Seed", "-1, 5")
    assert "Z Type" not in labels and "Script" not in read(pictures(task)[0].infotext if pictures(task) else "")
    again = XyzPlot().read_infotext(labels)
    second = plot(service, **again)
    assert grids(second)[0].image.tobytes() == grids(task)[0].image.tobytes()


def test_a_third_axis_makes_sheets_side_by_side_and_alone_where_they_are_wanted(service: GenerationService):
    values = {"x_type": "Seed", "x_values": "1,2", "y_type": "Steps", "y_values": "2,3", "z_type": "CFG Scale", "z_values": "4,5,6"}
    task = plot(service, **values, include_sub_grids=True, include_lone_images=True, draw_legend=False)
    whole, *sheets = grids(task)
    assert whole.image.size == (3 * 2 * 16, 2 * 8)
    assert [sheet.image.size for sheet in sheets] == [(32, 16)] * 3
    assert [read(sheet.infotext)["CFG scale"] for sheet in sheets] == ["4.0", "5.0", "6.0"]
    assert "Z Type" in read(whole.infotext) and "Z Type" not in read(sheets[0].infotext)
    assert len(pictures(task)) == 12
    assert [read(image.infotext)["CFG scale"] for image in pictures(task)] == ["4.0"] * 4 + ["5.0"] * 4 + ["6.0"] * 4


def test_checkpoints_change_as_seldom_as_can_be(service: GenerationService, engine: FakeEngine):
    plot(service, x_type="Checkpoint name", x_values="tiny, second", csv_mode=True, y_type="Seed", y_values="1-5")
    names = [job.model.checkpoint.name for job in engine.jobs]
    assert len(names) == 10 and sum(one != other for one, other in pairwise(names)) == 1


def test_one_seed_is_drawn_for_all_unless_minus_one_is_kept(service: GenerationService):
    one = plot(service, seed=-1, x_type="Steps", x_values="2,3,4", include_lone_images=True)
    assert len({image.seed for image in pictures(one)}) == 1
    each = plot(service, seed=-1, x_type="Steps", x_values="2,3,4", include_lone_images=True, no_fixed_seeds=True)
    assert len({image.seed for image in pictures(each)}) == 3


def test_seeds_may_count_up_along_the_axes(service: GenerationService):
    values = {"x_type": "Steps", "x_values": "2,3,4", "y_type": "CFG Scale", "y_values": "4,5", "draw_legend": False}
    assert table(grids(plot(service, **values, vary_seeds_x=True))[0].image, 3, 2, SIZE) == [[colour(7), colour(8), colour(9)]] * 2
    both = grids(plot(service, **values, vary_seeds_x=True, vary_seeds_y=True))[0].image
    assert table(both, 3, 2, SIZE) == [[colour(7), colour(8), colour(9)], [colour(10), colour(11), colour(12)]]


def test_a_cell_that_fails_is_grey_and_named_and_the_others_are_drawn(service: GenerationService, engine: FakeEngine):
    task = plot(service, "a cat", x_type="Prompt S/R", x_values="cat, refuse, dog", y_type="Seed", y_values="1,2")
    assert task.state == "done"
    assert any("refuse, Seed: 1: This file is not a checkpoint." in comment for comment in task.comments)
    cells = table(grids(task)[0].image, 3, 2, SIZE)
    assert [cells[row][column] for row in (0, 1) for column in (0, 2)] == [colour(1), colour(1), colour(2), colour(2)]
    assert cells[0][1] not in (colour(1), colour(2), BLANK)


def test_an_unknown_checkpoint_or_lora_is_a_grey_cell(service: GenerationService):
    task = plot(service, x_type="LoRA", x_values="ink, nosuch, None", csv_mode=True, include_lone_images=True)
    assert len(pictures(task)) == 2
    assert any("There is no LoRA 'nosuch'" in comment for comment in task.comments)
    task = plot(service, x_type="Checkpoint name", x_values="tiny, nosuch", csv_mode=True, include_lone_images=True)
    assert len(pictures(task)) == 1
    assert any("Unknown checkpoint 'nosuch'" in comment for comment in task.comments)


def test_without_a_lora_one_picture_is_for_all_weights(service: GenerationService, engine: FakeEngine):
    task = plot(service, x_type="LoRA weight", x_values="0.5,1", y_type="LoRA", y_values_dropdown=["ink", "None"], include_lone_images=True)
    assert task.error is None
    assert [tuple(network.unet_weight for network in job.networks) for job in engine.jobs] == [(0.5,), (1.0,), ()]
    assert table(grids(task)[0].image, 2, 2, SIZE) == [[colour(7)] * 2] * 2


def test_weights_of_text_encoder_and_unet_vary_apart(service: GenerationService, engine: FakeEngine):
    plot(service, "a cat <lora:ink:1>", x_type="LoRA TE weight", x_values="0,1", y_type="LoRA U-Net weight", y_values="0.5")
    assert [[(n.te_weight, n.unet_weight) for n in job.networks] for job in engine.jobs] == [[(0.0, 0.5)], [(1.0, 0.5)]]


def test_several_pictures_of_a_request_are_one_cell(service: GenerationService):
    task = plot(service, n_iter=2, x_type="Steps", x_values="2,3", draw_legend=False)
    image = grids(task)[0].image
    assert image.size == (64, 8)
    assert [image.getpixel((x, 4)) for x in (8, 24, 40, 56)] == [colour(7), colour(8), colour(7), colour(8)]


def test_an_interruption_keeps_what_is_there_in_its_place(service: GenerationService):
    task = submit(service, TITLE, ask("a cat"), x_type="Prompt S/R", x_values="cat, hang, dog", y_type="Seed", y_values="1,2")
    until(lambda: task.batch == 2 and task.step > 0)
    service.interrupt()
    task.wait(PATIENCE)
    assert task.state == "interrupted"
    assert table(grids(task)[0].image, 3, 2, SIZE) == [[colour(1), BLANK, BLANK], [colour(2), BLANK, BLANK]]
    assert [path.parent.parent.name for path in sorted(service.paths.data.glob("outputs/*/*/*.png"))] == ["txt2img-grids", "txt2img-images", "txt2img-images"]


def test_an_interruption_before_the_first_step_leaves_the_cell_blank(tmp_path: Path):
    class Stopping(FakeEngine):
        def generate(self, job: GenerateJob, on_event: Callable[[Event], None], cancel: CancelToken) -> tuple[GeneratedImage, ...]:
            if len(self.jobs) == 2:
                service.interrupt()
                raise Interrupted
            return super().generate(job, on_event, cancel)

    with running(tmp_path, "xyz_plot", LocalWorker(Stopping())) as (service, _):
        task = plot(service, x_type="Seed", x_values="1,2", y_type="Steps", y_values="2,3")
    assert (task.state, task.comments) == ("interrupted", ())
    assert table(grids(task)[0].image, 2, 2, SIZE) == [[colour(1), colour(2)], [BLANK, BLANK]]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"x_type": "Steps", "x_values": "1, many"}, "X values (Steps): 'many' is no whole number."),
        ({"x_type": "Steps", "x_values": ""}, "X values (Steps): at least one is needed."),
        ({"x_type": "nosuch", "x_values": "1"}, "X type cannot be 'nosuch'"),
        ({"x_type": "Seed", "x_values": "1-5000", "y_type": "Steps", "y_values": "1-500"}, "The grid would have 2500000 cells"),
    ],
)
def test_what_cannot_be_plotted_is_refused_before_anything_is_drawn(service: GenerationService, engine: FakeEngine, values: dict, error: str):
    assert error in str(plot(service, **values).error)
    assert engine.jobs == []


def test_nothing_at_all_is_one_picture(service: GenerationService):
    task = plot(service, x_type="Nothing")
    assert table(grids(task)[0].image, 1, 1, SIZE) == [[colour(7)]]


def test_progress_counts_through_all_cells(service: GenerationService):
    task = submit(service, TITLE, ask("a cat hang", seed=1), x_type="Seed", x_values="1-4")
    until(lambda: task.step > 0)
    assert task.batches == 4
    service.skip()
    until(lambda: task.batch == 1 and task.step > 0)
    assert 0.25 < task.progress < 0.5
    service.interrupt()
    task.wait(PATIENCE)
