"""The list of jobs over a real service with a fake engine: what a page sees of others, and what it may do to them."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from backend.exposure import Exposure
from backend.extras_request import ExtrasImage, ExtrasRequest
from backend.request import GenerationRequest, InitImage
from backend.service import GenerationService
from backend.tasks import Task
from tests.backend.stage import ask, open_service
from ui.drafts import submit_draft
from ui.progress import new_task_id, snapshot
from ui.routes import build_routes

MINE, OTHER, NEWCOMER = "a" * 32, "b" * 32, "c" * 32


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path)
    yield service
    service.close()


def visitors(service: GenerationService) -> None:
    service.exposure = Exposure(open=True, changes=False)


def busy(service: GenerationService, client: str = OTHER) -> Task:
    """Draws until it is interrupted, so that the others wait."""
    task = service.submit(ask("hang"), id_task=new_task_id(client), kept=True)
    while not task.step:
        Event().wait(0.002)
    return task


def wait(service: GenerationService, client: str, prompt: str = "a cat", **fields: Any) -> Task:
    return service.submit(ask(prompt, **fields), id_task=new_task_id(client), kept=True)


def jobs(http: TestClient, client: str = MINE) -> list[dict[str, Any]]:
    return http.get("/internal/jobs", params={"client": client}).json()["jobs"]


def prompts(jobs: list[dict[str, Any]]) -> list[str]:
    return [job["prompt"] for job in jobs]


def press(http: TestClient, job: dict[str, Any], what: str, client: str = MINE, **body: object) -> Any:
    return http.post(f"/internal/jobs/{job['key']}/{what}", json={"client": client, **body})


def test_the_list_tells_what_waits_and_runs_and_whose_it_is(http: TestClient, service: GenerationService) -> None:
    busy(service)
    wait(service, MINE, "my cat", n_iter=2, batch_size=3)
    service.submit(GenerationRequest(prompt="x" * 999, init=InitImage(images=(Image.new("RGB", (8, 8)),))), id_task="forced by a program")
    service.submit_extras(ExtrasRequest(images=(ExtrasImage(image=Image.new("RGB", (8, 8)), name="a.png"),)))
    submit_draft(service, ask("draft"), MINE, seed=1)
    found = jobs(http)
    assert [(job["state"], job["owner"], job["kind"], job["position"]) for job in found] == [
        ("running", "page", "txt2img", 0),
        ("queued", "own", "txt2img", 1),
        ("queued", "api", "img2img", 2),
        ("queued", "api", "Extras", 3),
    ]
    assert (found[1]["prompt"], found[1]["size"], found[1]["steps"], found[1]["pictures"]) == ("my cat", [16, 8], 3, 6)
    assert found[0]["progress"] == round(1 / 3, 4)
    assert len(found[2]["prompt"]) == 200


def test_no_id_of_another_page_is_told(http: TestClient, service: GenerationService) -> None:
    """With it one could interrupt that page's tasks and look at its pictures."""
    busy(service, OTHER)
    assert OTHER not in http.get("/internal/jobs", params={"client": MINE}).text


def test_what_has_ended_is_not_listed(http: TestClient, service: GenerationService) -> None:
    wait(service, MINE).wait(10)
    assert jobs(http) == []


def test_moves_change_the_order_of_the_work(http: TestClient, service: GenerationService) -> None:
    busy(service)
    for prompt in ("one", "two", "three"):
        wait(service, MINE, prompt)
    assert [(job["up"], job["down"]) for job in jobs(http)] == [(False, False), (False, True), (True, True), (True, False)]
    assert prompts(press(http, jobs(http)[3], "move", to="first").json()["jobs"]) == ["hang", "three", "one", "two"]
    assert prompts(press(http, jobs(http)[1], "move", to="down").json()["jobs"]) == ["hang", "one", "three", "two"]
    assert prompts(press(http, jobs(http)[3], "move", to=1).json()["jobs"]) == ["hang", "one", "two", "three"]
    assert [task.request.prompt for task in service.tasks()] == ["hang", "one", "two", "three"]
    assert press(http, jobs(http)[1], "move", to="sideways").status_code == 422


def test_cancel_ends_what_runs_and_what_waits(http: TestClient, service: GenerationService) -> None:
    running, waiting = busy(service), wait(service, MINE)
    first, second = jobs(http)
    assert prompts(press(http, second, "cancel").json()["jobs"]) == ["hang"]
    assert (waiting.state, waiting.started) == ("interrupted", None)
    assert press(http, first, "cancel").status_code == 200
    assert running.wait(10).state == "interrupted"
    answer = press(http, second, "cancel")
    assert (answer.status_code, answer.json()["detail"]) == (404, "This job has ended already.")


def test_visitors_without_a_password_see_that_others_wait_and_no_more(http: TestClient, service: GenerationService) -> None:
    theirs = busy(service, OTHER)
    wait(service, OTHER, "a secret")
    wait(service, MINE, "mine")
    visitors(service)
    found = jobs(http)
    assert [(job["prompt"], job["may"]) for job in found] == [(None, False), (None, False), ("mine", True)]
    assert "secret" not in str(found)
    for what in ("cancel", "move"):
        answer = press(http, found[1], what, to="first")
        assert answer.status_code == 403 and f"{what} jobs of others" in answer.json()["detail"]
    assert press(http, found[1], "cancel", client="not an id").status_code == 403
    assert [task.state for task in service.tasks()] == ["running", "queued", "queued"]
    assert press(http, found[2], "cancel").status_code == 200
    assert not theirs.interrupted


def test_visitors_without_a_password_do_not_push_in(http: TestClient, service: GenerationService) -> None:
    busy(service, OTHER)
    wait(service, OTHER, "theirs")
    wait(service, MINE, "one")
    wait(service, OTHER, "theirs")
    wait(service, MINE, "two")
    visitors(service)
    found = jobs(http)
    assert [(job["up"], job["down"]) for job in found] == [(False, False), (False, False), (False, True), (False, False), (True, False)]
    press(http, found[4], "move", to="first")
    assert [task.request.prompt for task in service.tasks()] == ["hang", "theirs", "two", "theirs", "one"]


@pytest.mark.parametrize("path", ["left", "x/cancel", "x/move"])
def test_another_site_cannot_press_with_a_plain_form(http: TestClient, path: str) -> None:
    body = f'{{"client": "{MINE}", "to": "up", "take_up": false}}'
    assert http.post(f"/internal/jobs/{path}", content=body, headers={"content-type": "text/plain"}).status_code == 422


# ---- what was left over from the last run


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[GenerationService]:
    """Two jobs of OTHER, one of MINE, one of a program that has nobody to give the picture to."""
    before = open_service(tmp_path)
    busy(before, OTHER)
    for client, prompt in ((OTHER, "theirs"), (MINE, "mine")):
        wait(before, client, prompt)
    before.submit(ask("the api's"))
    before.close()
    after = open_service(tmp_path)
    yield after
    after.close()


@pytest.fixture
def again(restarted: GenerationService) -> Iterator[TestClient]:
    app = FastAPI()
    app.include_router(build_routes(restarted))
    with TestClient(app) as client:
        yield client


def offered(service: GenerationService, client: str) -> object:
    return snapshot(service, client)["left"]


def test_a_page_is_offered_its_own_jobs_and_goes_on_with_them_under_their_old_ids(again: TestClient, restarted: GenerationService) -> None:
    assert [offered(restarted, client) for client in (MINE, OTHER, NEWCOMER, "")] == [1, 2, 3, 0]
    (mine,) = [task for task in restarted.left() if task.request.prompt == "mine"]
    assert again.post("/internal/jobs/left", json={"client": MINE, "take_up": True}).status_code == 200
    task = restarted.task(mine.id)
    assert task and task.wait(10).state == "done"
    assert [offered(restarted, client) for client in (MINE, OTHER)] == [2, 2]


def test_a_page_that_has_none_is_offered_all_and_sees_their_pictures(again: TestClient, restarted: GenerationService) -> None:
    """After a restart of the whole computer no browser knows its id any more."""
    listed = again.post("/internal/jobs/left", json={"client": NEWCOMER, "take_up": True}).json()["jobs"]
    assert {job["owner"] for job in listed} == {"own"}
    assert [task.request.prompt for task in restarted.tasks()] == ["hang", "theirs", "mine"]
    assert all(task.id.startswith(f"{NEWCOMER}-txt2img-") for task in restarted.tasks())
    assert offered(restarted, MINE) == 0


def test_a_program_finds_its_job_under_the_old_id(http: TestClient, tmp_path: Path, service: GenerationService) -> None:
    busy(service)
    service.submit(ask("a program's"), id_task="task(1)", kept=True)
    service.close()
    after = open_service(tmp_path)
    app = FastAPI()
    app.include_router(build_routes(after))
    with TestClient(app) as again:
        again.post("/internal/jobs/left", json={"client": NEWCOMER, "take_up": True})
    task = after.task("task(1)")
    assert task and task.request.prompt == "a program's"
    after.close()


def test_discarded_jobs_do_not_come_back(again: TestClient, restarted: GenerationService, tmp_path: Path) -> None:
    again.post("/internal/jobs/left", json={"client": OTHER, "take_up": False})
    assert [task.request.prompt for task in restarted.left()] == ["mine"]
    assert len([folder for folder in (tmp_path / "queue").iterdir() if folder.is_dir()]) == 1


def test_visitors_without_a_password_are_offered_their_own_only(again: TestClient, restarted: GenerationService) -> None:
    visitors(restarted)
    assert [offered(restarted, client) for client in (MINE, OTHER, NEWCOMER)] == [1, 2, 0]
    again.post("/internal/jobs/left", json={"client": NEWCOMER, "take_up": False})
    assert len(restarted.left()) == 3
