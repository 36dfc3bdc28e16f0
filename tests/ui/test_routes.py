import io

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from backend.request import GenerationRequest, Size
from backend.thumbnails import picture_version
from tests.ui.fake_service import FakeSaved, FakeService, FakeTask
from ui import progress

CLIENT, OTHER = "a" * 32, "b" * 32


def drawn(service: FakeService, client: str = CLIENT) -> FakeTask:
    task = service.submit(GenerationRequest(prompt="a cat", size=Size(width=64, height=64)), id_task=progress.new_task_id(client))
    assert task.ended.wait(10)
    return task


def test_progress_answers_204_until_something_changes(http: TestClient, service: FakeService) -> None:
    first = http.get("/internal/progress", params={"client": CLIENT}).json()
    assert http.get("/internal/progress", params={"client": CLIENT, "rev": first["rev"]}).status_code == 204
    drawn(service)
    second = http.get("/internal/progress", params={"client": CLIENT, "rev": first["rev"]})
    assert second.status_code == 200 and second.json()["rev"] != first["rev"]
    service.catalog.add("lora", "new.safetensors")
    third = http.get("/internal/progress", params={"client": CLIENT, "rev": second.json()["rev"]}).json()
    assert third["catalog"] == second.json()["catalog"] + 1


def test_a_page_hears_of_its_own_tasks_only(http: TestClient, service: FakeService) -> None:
    task = drawn(service)
    assert [one["id"] for one in http.get("/internal/progress", params={"client": CLIENT}).json()["tasks"]] == [task.id]
    for stranger in (OTHER, "", "a", CLIENT.upper(), f"{CLIENT}-"):
        assert http.get("/internal/progress", params={"client": stranger}).json()["tasks"] == []


def test_a_picture_is_the_file_on_disk_under_its_own_name(http: TestClient, service: FakeService) -> None:
    task = drawn(service)
    picture = http.get(f"/internal/task/{task.id}").json()["pictures"][0]
    saved = task.images[0]
    assert saved.path is not None
    answer = http.get(f"/{picture['url']}")
    assert (answer.content, answer.headers["content-type"]) == (saved.path.read_bytes(), "image/png")
    assert picture["url"].endswith(saved.path.name)
    assert picture["infotext"] == saved.infotext
    assert picture["values"] == {"seed": 1000}


def test_only_pictures_from_a_number_on_are_listed(http: TestClient, service: FakeService) -> None:
    task = drawn(service)
    assert http.get(f"/internal/task/{task.id}", params={"start": 1}).json()["pictures"] == []


def test_a_picture_that_was_not_saved_comes_with_its_parameters(http: TestClient, service: FakeService) -> None:
    task = drawn(service)
    task.images[0] = FakeSaved(path=None, infotext=task.images[0].infotext, pixels=task.images[0].pixels, seed=7)
    picture = http.get(f"/internal/task/{task.id}").json()["pictures"][0]
    answer = http.get(f"/{picture['url']}")
    assert picture["name"] == "00000-7.png"
    assert answer.content.startswith(b"\x89PNG") and task.images[0].infotext.encode() in answer.content


@pytest.mark.parametrize("path", ["1/x.png", "0/other.png", "-1/x.png", "0/..%2F..%2Fetc%2Fpasswd", "x/x.png"])
def test_no_other_file_can_be_had(http: TestClient, service: FakeService, path: str) -> None:
    task = drawn(service)
    assert http.get(f"/internal/image/{task.id}/{path}").status_code in (404, 422)


def test_a_file_that_is_no_picture_is_not_served(http: TestClient, service: FakeService) -> None:
    task = drawn(service)
    page = service.folder / "x.html"
    page.write_text("<script>alert(1)</script>", "utf-8")
    task.images[0] = FakeSaved(path=page, infotext="")
    assert http.get(f"/internal/image/{task.id}/0/x.html").status_code == 404


def test_interrupt_and_skip_reach_the_pages_own_task_only(http: TestClient, service: FakeService) -> None:
    service.hold()
    theirs = service.submit(GenerationRequest(), id_task=progress.new_task_id(OTHER))
    mine = service.submit(GenerationRequest(), id_task=progress.new_task_id(CLIENT))
    assert http.post("/internal/interrupt", json={"client": CLIENT}).json() == {"found": True}
    assert (mine.stop.is_set(), theirs.stop.is_set()) == (True, False)
    assert http.post("/internal/skip", json={"client": OTHER}).json() == {"found": True}
    assert theirs.skip.is_set()
    assert http.post("/internal/interrupt", json={"client": "c" * 32}).json() == {"found": False}


def test_another_site_cannot_interrupt_with_a_plain_form(http: TestClient) -> None:
    answer = http.post("/internal/interrupt", content=f'{{"client": "{CLIENT}"}}', headers={"content-type": "text/plain"})
    assert answer.status_code == 422


def test_unknown_tasks_are_not_found(http: TestClient) -> None:
    for path in ("task/nix", "preview/nix", "image/nix/0/x.png"):
        assert http.get(f"/internal/{path}").status_code == 404


def test_examples_are_those_of_the_checkpoints_sidecar(http: TestClient) -> None:
    def examples(name: str) -> object:
        return http.get("/internal/examples", params={"checkpoint": name}).json()["examples"]

    assert examples("demo.safetensors") == ["cat face on green background", "a blue heart"]
    assert [examples(name) for name in ("other.safetensors", "nix", "")] == [[], [], []]


def test_a_thumbnail_is_small_and_kept_for_ever_under_its_version(http: TestClient, service: FakeService) -> None:
    model = service.catalog.find("lora", "neon")
    assert model
    Image.new("RGB", (1000, 500), "red").save(model.path.with_suffix(".preview.png"))
    answer = http.get("/internal/thumbnail/lora/styles/neon.safetensors", params={"v": picture_version(model.path)})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert "max-age=31536000" in answer.headers["cache-control"]
    assert Image.open(io.BytesIO(answer.content)).size == (384, 192)
    assert http.get("/internal/thumbnail/lora/styles/neon.safetensors", params={"v": "old"}).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["lora/neon", "vae/styles/neon.safetensors", "nix/x", "lora/../../x.png", "lora/%2e%2e/x.png"])
def test_what_is_not_listed_has_no_thumbnail(http: TestClient, service: FakeService, path: str) -> None:
    assert http.get(f"/internal/thumbnail/{path}").status_code == 404


def test_a_model_without_a_picture_is_no_error(http: TestClient) -> None:
    """A browser reports each 404 in its console."""
    assert http.get("/internal/thumbnail/lora/styles/neon.safetensors").status_code == 204
