import pytest

from backend.request import GenerationRequest
from backend.settings import Settings
from backend.tasks import Task, _Pace


def a_task(n_iter: int = 1) -> Task:
    return Task(id="t", request=GenerationRequest(n_iter=n_iter), settings=Settings(), save_samples=True, save_grid=True)


def test_progress_runs_over_all_batches():
    task = a_task(n_iter=2)
    task.start("Preparing")
    seen = []
    for batch in range(2):
        task.begin_batch(batch)
        for step in (1, 2):
            task.advance(step, 2)
            seen.append(task.progress)
    assert seen == [0.25, 0.5, 0.75, 1.0]


def test_the_rest_is_reckoned_from_the_pace_since_the_first_step():
    pace = _Pace()
    pace.note(0.1, 100.0)  # loading took 100 s: it does not count
    assert pace.remaining(100.0) is None
    pace.note(0.2, 101.0)
    assert pace.remaining(101.0) == pytest.approx(8.0)
    assert pace.remaining(103.0) == pytest.approx(6.0)  # it goes on falling between two steps, and between two batches
    assert pace.remaining(200.0) == 0.0


def test_an_interrupt_between_two_batches_is_not_lost():
    task = a_task(n_iter=2)
    task.begin_batch(0)
    task.interrupt()
    task.begin_batch(1)
    assert task.cancel.interrupted


def test_a_waiter_returns_after_its_timeout():
    assert not a_task().wait(0).ended
