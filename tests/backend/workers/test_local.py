import pytest

from backend.errors import EngineFailed, NotFound, WebUIError
from backend.progress import CancelToken, Event, Step
from backend.workers.local import LocalWorker
from tests.backend.workers.fake_engine import FakeEngine, colour
from tests.backend.workers.jobs import job


def run(prompt: str, **kwargs):
    events: list[Event] = []
    return LocalWorker(FakeEngine()).run(job(prompt, **kwargs), events.append, CancelToken()), events


def test_pictures_and_steps_come_back():
    images, events = run("a cat", seeds=(7, 8), steps=2)
    assert [image.image.getpixel((0, 0)) for image in images] == [colour(7), colour(8)]
    assert [event for event in events if isinstance(event, Step)] == [Step(step=1, steps=2), Step(step=2, steps=2)]


def test_an_interrupt_before_the_first_step_gives_no_picture():
    assert run("never")[0] == ()


@pytest.mark.parametrize(("prompt", "kind", "text"), [("refuse", WebUIError, "not a checkpoint"), ("missing", NotFound, "is gone")])
def test_what_the_person_can_mend_is_passed_on_as_it_is(prompt: str, kind: type, text: str):
    with pytest.raises(kind, match=text):
        run(prompt)


def test_an_unexpected_exception_becomes_a_sentence(caplog):
    with pytest.raises(EngineFailed, match="ZeroDivisionError: integer modulo by zero"):
        run("bug")


def test_running_out_of_memory_says_what_to_do(caplog):
    with pytest.raises(EngineFailed, match="Make it smaller"):
        run("memory")
