"""Jobs that nobody waits for, what happens to them, the library and uploads, over a real service with a fake engine."""

import base64
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import app
from backend.api import job_events
from backend.exposure import Exposure
from backend.flags import parse_flags
from backend.images.metadata import infotext_of
from backend.service import GenerationService
from tests.backend.stage import ask, open_service, write_safetensors
from tests.backend.workers.fake_engine import colour
from tests.serving import serve

HERE = "http://127.0.0.1:7860"
SMALL = {"prompt": "a cat", "width": 16, "height": 8, "steps": 3, "seed": 7}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path, sd_model_checkpoint="tiny.safetensors", show_progress_every_n_steps=1)
    yield service
    service.close()


@pytest.fixture
def client(service: GenerationService) -> TestClient:
    return TestClient(app.build(service, parse_flags(["--nowebui"])), base_url=f"{HERE}/api/v2/")


@pytest.fixture
def submit(client: TestClient) -> Callable[..., str]:
    def submit(kind: str = "txt2img", **fields: object) -> str:
        answer = client.post("jobs", json={kind: {**SMALL, **fields}})
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    return submit


def finished(service: GenerationService, id: str) -> str:
    task = service.task(id)
    assert task is not None
    assert task.wait(20).ended
    return id


def told(text: str) -> list[tuple[str, dict]]:
    """The events of a stream; its heartbeats left out."""
    blocks = [block.split("\n") for block in text.split("\n\n") if block.strip(": \n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def picture(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_a_job_is_submitted_and_its_pictures_are_fetched_later(client: TestClient, submit, service: GenerationService, tmp_path: Path):
    id = finished(service, submit(batch_size=2))
    job = client.get(f"jobs/{id}").json()
    assert (job["id"], job["kind"], job["state"], job["progress"], job["error"]) == (id, "txt2img", "done", 1.0, None)
    assert [(one["index"], one["seed"], one["grid"], one["saved"]) for one in job["images"]] == [(0, 7, False, True), (1, 8, False, True), (2, 7, True, True)]
    assert len(list((tmp_path / "outputs").rglob("*.png"))) == 3
    answer = client.get(job["images"][1]["url"])
    assert (answer.headers["content-type"], picture(answer.content).getpixel((0, 0))) == ("image/png", colour(8))
    assert infotext_of(picture(answer.content)) == job["images"][1]["infotext"]


def test_a_job_starts_from_a_picture(client: TestClient, submit, service: GenerationService):
    data = io.BytesIO()
    Image.new("RGB", (16, 8), "red").save(data, "png")
    id = finished(service, submit("img2img", init_images=[base64.b64encode(data.getvalue()).decode()]))
    assert (client.get(f"jobs/{id}").json()["kind"], client.get(f"jobs/{id}/images/0").status_code) == ("img2img", 200)


def test_pictures_that_shall_not_be_saved_are_not_and_can_be_fetched(client: TestClient, submit, service: GenerationService, tmp_path: Path):
    id = finished(service, submit(save_images=False))
    assert list((tmp_path / "outputs").rglob("*.png")) == []
    assert picture(client.get(f"jobs/{id}/images/0").content).size == (16, 8)


def test_a_picture_that_was_answered_already_is_told_as_such(client: TestClient, service: GenerationService):
    assert client.post(f"{HERE}/sdapi/v1/txt2img", json={**SMALL, "force_task_id": "mine"}).status_code == 200
    answer = client.get("jobs/mine/images/0")
    assert (answer.status_code, "was not kept" in answer.json()["detail"]) == (404, True)


def test_a_deleted_picture_is_served_from_memory_and_then_missed_with_a_sentence(client: TestClient, submit, service: GenerationService, tmp_path: Path):
    id = finished(service, submit())
    for file in (tmp_path / "outputs").rglob("*.png"):
        file.unlink()
    assert client.get(f"jobs/{id}/images/0").status_code == 200
    task = service.task(id)
    assert task is not None
    task.forget_pixels()
    answer = client.get(f"jobs/{id}/images/0")
    assert (answer.status_code, "deleted or moved" in answer.json()["detail"]) == (404, True)
    assert finished(service, submit())  # and the next is drawn


def test_the_list_has_all_jobs_in_their_order_and_each_its_place(client: TestClient, submit, service: GenerationService):
    ids = [submit(prompt="hang"), submit(), submit()]
    jobs = client.get("jobs").json()
    assert [job["id"] for job in jobs] == ids
    assert [job["position"] for job in jobs[1:]] in ([1, 2], [2, 3])  # the first may still be on its way
    client.delete(f"jobs/{ids[0]}")
    finished(service, ids[2])
    assert [job["state"] for job in client.get("jobs").json()] == ["interrupted", "done", "done"]


def test_a_job_is_cancelled_by_its_id_and_no_other(client: TestClient, submit, service: GenerationService):
    running, waiting, last = submit(prompt="hang"), submit(), submit()
    assert client.delete(f"jobs/{waiting}").json()["state"] == "interrupted"
    client.delete(f"jobs/{running}")
    finished(service, last)
    assert [service.task(id).state for id in (running, waiting, last)] == ["interrupted", "interrupted", "done"]  # type: ignore[union-attr]
    assert client.delete(f"jobs/{last}").json()["state"] == "done"


# ---- events


def following(url: str, service: GenerationService, id: str, do: Mapping[str, Callable[[], object]], **query: object) -> list[tuple[str, dict]]:
    """All events of a stream; what is to be done when an event of that name comes for the first time."""
    seen: list[tuple[str, dict]] = []
    left = dict(do)
    with httpx.stream("GET", f"{url}/api/v2/jobs/{id}/events", params=query, timeout=20) as answer:  # type: ignore[arg-type]
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                seen.append((name, json.loads(line.removeprefix("data: "))))
                left.pop(name, lambda: None)()
    return seen


@pytest.fixture
def url(service: GenerationService, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(job_events, "INTERVAL", 0.005)
    with serve(app.build(service, parse_flags(["--nowebui"]))) as url:
        yield url


def test_events_tell_the_place_steps_previews_pictures_and_the_end(url: str, submit, service: GenerationService):
    first, id = submit(prompt="hang"), submit(prompt="hang", n_iter=2, seed=1)
    do = {"queued": lambda: service.interrupt(first), "preview": lambda: service.skip(id), "picture": lambda: service.interrupt(id)}
    events = following(url, service, id, do)
    by_name = dict(reversed(events))  # the first of each name
    assert by_name["queued"]["position"] in (0, 1, 2)
    assert (by_name["step"]["step"], by_name["step"]["steps"], by_name["step"]["batches"]) == (1, 3, 2)
    assert picture(base64.b64decode(by_name["preview"]["image"])).getpixel((0, 0)) == colour(1)
    assert by_name["preview"]["media_type"] == "image/png"
    assert (by_name["picture"]["seed"], by_name["picture"]["complete"]) == (1, False)
    assert [name for name, _ in events].index("preview") < [name for name, _ in events].index("picture")
    assert (events[-1][0], events[-1][1]["state"], events[-1][1]["finished"] is not None) == ("interrupted", "interrupted", True)


def test_previews_are_left_out_where_nobody_wants_them(url: str, submit, service: GenerationService):
    id = submit(prompt="hang")
    events = following(url, service, id, {"step": lambda: service.interrupt(id)}, previews=False)
    assert {name for name, _ in events} <= {"queued", "status", "step", "picture", "interrupted"}


def test_a_long_silence_is_broken_by_heartbeats_and_a_listener_may_go(url: str, submit, service: GenerationService, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(job_events, "HEARTBEAT", 0.01)
    id = submit(prompt="hang")
    with httpx.stream("GET", f"{url}/api/v2/jobs/{id}/events", timeout=20) as answer:
        assert next(line for line in answer.iter_lines() if line.startswith(":")) == ":"
    task = service.task(id)
    assert task is not None and not task.ended
    service.interrupt(id)
    finished(service, id)


def test_the_stream_of_an_ended_job_has_its_pictures_and_its_end(client: TestClient, submit, service: GenerationService):
    id = finished(service, submit(batch_size=2))
    events = told(client.get(f"jobs/{id}/events").text)
    assert [name for name, _ in events] == ["step", "picture", "picture", "picture", "done"]
    assert events[-1][1] == client.get(f"jobs/{id}").json()


def test_a_job_that_fails_says_why(client: TestClient, submit, service: GenerationService, caplog):
    name, job = told(client.get(f"jobs/{finished(service, submit(prompt='refuse'))}/events").text)[-1]
    assert (name, job["error"]) == ("failed", "This file is not a checkpoint.")


# ---- what is refused


@pytest.mark.parametrize("body", [{}, {"txt2img": SMALL, "img2img": SMALL}, {"txt2img": {"steps": "many"}}, {"txt2img": {"script_name": "nosuch"}}])
def test_what_is_no_job_is_a_422(client: TestClient, body: dict):
    assert client.post("jobs", json=body).status_code == 422
    assert client.get("jobs").json() == []


def test_unknown_jobs_and_pictures_are_a_404(client: TestClient, submit, service: GenerationService):
    id = finished(service, submit())
    for method, path in (("GET", "jobs/x"), ("DELETE", "jobs/x"), ("GET", "jobs/x/events"), ("GET", "jobs/x/images/0"), ("GET", f"jobs/{id}/images/9")):
        answer = client.request(method, path)
        assert (answer.status_code, bool(answer.json()["detail"])) == (404, True)


# ---- library and upload


def test_loras_are_searched_and_tell_what_they_fit(client: TestClient):
    page = client.get("loras", params={"search": "cat"}).json()
    assert (page["total"], page["found"], [entry["stem"] for entry in page["entries"]]) == (1, 1, ["ink"])
    assert {"fits", "fits_text", "family", "tags", "tag"} <= page["entries"][0].keys()
    assert client.get("loras", params={"search": "nosuch"}).json()["found"] == 0
    assert client.get("loras", params={"sort": "nosuch"}).status_code == 422


def test_a_file_is_uploaded_and_listed_and_never_replaced(client: TestClient, tmp_path: Path):
    data = write_safetensors(tmp_path / "x.safetensors", {"which": "new"}).read_bytes()
    answer = client.put("upload/lora/new.safetensors", content=data)
    assert (answer.status_code, answer.json()["stem"]) == (200, "new")
    assert (tmp_path / "models/Lora/new.safetensors").read_bytes() == data
    assert client.get("loras").json()["total"] == 2
    again = client.put("upload/lora/new.safetensors", content=data)
    assert (again.status_code, "already" in again.json()["detail"]) == (409, True)


@pytest.mark.parametrize(("path", "status"), [("nix/a.safetensors", 404), ("lora/a.ckpt", 422), ("lora/..%2Fa.safetensors", 404), ("lora/a.safetensors", 422)])
def test_an_upload_that_is_none_is_refused(client: TestClient, tmp_path: Path, path: str, status: int):
    before = set(tmp_path.rglob("*.safetensors"))
    assert client.put(f"upload/{path}", content=b"no tensors in here").status_code == status
    assert set(tmp_path.rglob("*.safetensors")) == before


def test_visitors_without_a_password_upload_nothing(client: TestClient, service: GenerationService, tmp_path: Path):
    service.exposure = Exposure(open=True, changes=False)
    answer = client.put("upload/lora/new.safetensors", content=b"")
    assert (answer.status_code, "--gradio-auth" in answer.json()["detail"]) == (403, True)


def test_the_description_has_examples(client: TestClient):
    described = client.get(f"{HERE}/openapi.json").json()
    assert described["components"]["schemas"]["NewJob"]["examples"][0]["txt2img"]["prompt"] == "a cat"
    stream = described["paths"]["/api/v2/jobs/{id}/events"]["get"]["responses"]["200"]["content"]
    assert "event: step" in stream["text/event-stream"]["example"]


# ---- what a page asked for

PAGES = f"{'0123456789abcdef' * 2}-txt2img-0011223344556677"


def test_a_pages_id_is_told_to_nobody(client: TestClient, service: GenerationService):
    service.submit(ask(), id_task=PAGES).wait(10)
    (job,) = client.get("jobs").json()
    assert PAGES[:32] not in json.dumps(job) and job["state"] == "done"
    assert client.get(f"jobs/{job['id']}").json() == job
    assert client.get(job["images"][0]["url"]).status_code == 200
    waiting = service.submit(ask("hang"), id_task=PAGES.replace("001", "002"))
    later = service.submit(ask(), id_task=PAGES.replace("001", "003"))
    assert PAGES[:32] not in client.get("/internal/pending-tasks").text
    for task in (later, waiting):
        service.interrupt(task.id)
        task.wait(10)


def test_visitors_do_not_reach_a_pages_job_by_what_the_list_tells(tmp_path: Path):
    service = open_service(tmp_path, sd_model_checkpoint="tiny.safetensors")
    service.exposure = Exposure(open=True, changes=False)
    client = TestClient(app.build(service, parse_flags(["--nowebui"])), base_url=f"{HERE}/api/v2/")
    try:
        service.submit(ask(), id_task=PAGES).wait(10)
        (job,) = client.get("jobs").json()
        assert client.get(f"jobs/{job['id']}").status_code == client.get(job["images"][0]["url"]).status_code == 404
        assert client.get(f"jobs/{PAGES}").status_code == 200
    finally:
        service.close()
