"""A real child process with a fake engine in it."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag

import pytest

from backend.errors import EngineFailed, NotFound
from backend.progress import CancelToken, Event, Preview, Status, Step
from backend.workers.process import ROOT, ProcessWorker
from tests.backend.workers.fake_engine import colour
from tests.backend.workers.jobs import job

FAKE = "tests.backend.workers.fake_engine:"


@pytest.fixture
def worker() -> Iterator[ProcessWorker]:
    worker = ProcessWorker(target=FAKE + "build")
    yield worker
    worker.close()


class Heard:
    """Collects events; `stepping` is set with the first step."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.stepping = Flag()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Step):
            self.stepping.set()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_pictures_and_events_come_up_from_the_child(worker: ProcessWorker):
    heard = Heard()
    images = worker.run(job(seeds=(7, 8), steps=2, preview_every=2), heard, CancelToken())
    assert [image.image.getpixel((0, 0)) for image in images] == [colour(7), colour(8)]
    assert [image.index for image in images] == [0, 1]
    assert heard.events[0] == Status(text="Starting the engine")
    assert [event for event in heard.events if isinstance(event, Step)] == [Step(step=1, steps=2), Step(step=2, steps=2)]
    assert sum(isinstance(event, Preview) for event in heard.events) == 1
    assert worker.status() == "ready"


def test_errors_keep_their_kind_on_the_way_up(worker: ProcessWorker):
    with pytest.raises(NotFound, match="is gone"):
        worker.run(job("missing"), Heard(), CancelToken())
    with pytest.raises(EngineFailed, match="ZeroDivisionError"):
        worker.run(job("bug"), Heard(), CancelToken())
    assert len(worker.run(job(), Heard(), CancelToken())) == 1


@pytest.mark.parametrize("stop", ["interrupt", "skip"])
def test_a_cancel_reaches_a_running_job(worker: ProcessWorker, stop: str):
    heard, cancel = Heard(), CancelToken()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(worker.run, job("hang", steps=50), heard, cancel)
        heard.stepping.wait(20)
        assert worker.status() == "busy"
        getattr(cancel, stop)()
        images = running.result(20)
    assert [image.complete for image in images] == [False]
    assert len(worker.run(job(), Heard(), CancelToken())) == 1


def test_a_killed_engine_fails_its_job_and_the_next_job_gets_a_new_engine(worker: ProcessWorker, caplog):
    heard = Heard()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(worker.run, job("hang"), heard, CancelToken())
        heard.stepping.wait(20)
        first = worker.pid
        os.kill(first, signal.SIGKILL)
        with pytest.raises(EngineFailed, match="killed, most likely because the memory ran out"):
            running.result(20)
    assert worker.status() == "stopped"
    assert len(worker.run(job(), Heard(), CancelToken())) == 1
    assert worker.pid != first


def test_an_engine_that_exits_by_itself_fails_its_job(worker: ProcessWorker, caplog):
    with pytest.raises(EngineFailed, match="exit code 3"):
        worker.run(job("exit"), Heard(), CancelToken())


def test_an_engine_that_cannot_be_built_says_why_and_is_tried_again(tmp_path, caplog):
    worker = ProcessWorker(str(tmp_path / "marker"), target=FAKE + "build_once")
    try:
        with pytest.raises(EngineFailed, match="killed"):
            worker.run(job("die"), Heard(), CancelToken())
        with pytest.raises(EngineFailed, match="could not be started: the marker is there already"):
            worker.run(job(), Heard(), CancelToken())
        (tmp_path / "marker").unlink()
        assert len(worker.run(job(), Heard(), CancelToken())) == 1
    finally:
        worker.close()


def test_a_cancel_while_the_engine_starts_needs_no_engine():
    cancel = CancelToken()
    cancel.interrupt()
    worker = ProcessWorker(target=FAKE + "build_never")
    try:
        assert worker.run(job(), Heard(), cancel) == ()
        assert worker.status() == "starting"
    finally:
        worker.close()


def test_a_reader_that_fails_does_not_block_the_next_job(worker: ProcessWorker):
    def fail(event: Event) -> None:
        if isinstance(event, Step):
            raise RuntimeError("the reader failed")

    with pytest.raises(RuntimeError, match="the reader failed"):
        worker.run(job("hang", steps=50), fail, CancelToken())
    assert len(worker.run(job(), Heard(), CancelToken())) == 1


def test_questions_are_answered_while_a_job_runs(worker: ProcessWorker):
    heard, cancel = Heard(), CancelToken()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(worker.run, job("hang"), heard, cancel)
        heard.stepping.wait(20)
        assert worker.memory()["ram"] == {"free": 2.0, "used": 1, "total": 3.0}
        assert "ink" in worker.embeddings()["loaded"]  # type: ignore[operator]
        cancel.interrupt()
        running.result(20)


def test_closing_ends_the_child_and_a_running_job(caplog):
    worker, heard = ProcessWorker(target=FAKE + "build"), Heard()
    with ThreadPoolExecutor() as pool:
        running = pool.submit(worker.run, job("hang"), heard, CancelToken())
        heard.stepping.wait(20)
        worker.close()
        with pytest.raises(EngineFailed, match="The program is ending"):
            running.result(20)
    assert gone(worker.pid)
    assert worker.status() == "stopped"
    with pytest.raises(EngineFailed, match="The program is ending"):
        worker.run(job(), Heard(), CancelToken())


def test_the_engine_ends_when_its_parent_is_killed():
    program = f"""
import sys
from backend.progress import CancelToken
from backend.workers.process import ProcessWorker
from tests.backend.workers.jobs import job
worker = ProcessWorker(target={FAKE + "build"!r})
worker.run(job(), lambda event: None, CancelToken())
print(worker.pid, flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        with os.fdopen(os.pidfd_open(pid)) as child:  # readable when the process ends
            parent.kill()
            assert select.select([child], [], [], 20)[0]
