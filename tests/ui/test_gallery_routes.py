import csv
import io
import zipfile

import pytest
from fastapi.testclient import TestClient

from backend.exposure import Exposure
from backend.images.metadata import Encoding, encode
from backend.request import GenerationRequest, Size
from tests.ui.fake_service import FakeSaved, FakeService, FakeTask
from ui import progress

CLIENT = "a" * 32


@pytest.fixture
def task(service: FakeService) -> FakeTask:
    request = GenerationRequest(prompt='a cat, "red"', size=Size(width=64, height=72), batch_size=2)
    task = service.submit(request, id_task=progress.new_task_id(CLIENT))
    assert task.ended.wait(10)
    return task


def named(task: FakeTask, index: int = 0) -> dict[str, object]:
    return {"task": task.id, "index": index, "name": progress.file_name(task, index)}  # type: ignore[arg-type]


def test_saving_copies_the_file_and_writes_a_line_of_the_log(http: TestClient, service: FakeService, task: FakeTask) -> None:
    source = task.images[0].path
    assert source is not None
    for _ in range(2):
        assert http.post("/internal/picture/save", json=named(task)).status_code == 200
    files = sorted((service.folder / "log/images").glob("*.png"))
    assert [file.read_bytes() for file in files] == [source.read_bytes()] * 2
    with (service.folder / "log/images/log.csv").open(encoding="utf-8", newline="") as log:
        lines = list(csv.DictReader(log))
    assert [line["filename"] for line in lines] and {line["filename"] for line in lines} == {file.name for file in files}
    told = [lines[0][column] for column in ("prompt", "seed", "width", "height", "sd_model_name")]
    assert told == ['a cat, "red"', "1000", "64", "72", "demo"]


def test_the_settings_say_where_to_and_whether_there_is_a_log(http: TestClient, service: FakeService, task: FakeTask) -> None:
    service.settings.update({"outdir_save": "kept", "save_write_log_csv": False})
    saved = http.post("/internal/picture/save", json=named(task, 1)).json()["saved"]
    assert saved == f"kept/{progress.file_name(task, 1)}"  # type: ignore[arg-type]
    assert [file.name for file in (service.folder / "kept").iterdir()] == [saved.partition("/")[2]]


def test_all_pictures_of_a_task_come_in_one_file(http: TestClient, task: FakeTask) -> None:
    task.images[1] = FakeSaved(path=None, infotext="hello", pixels=task.images[1].pixels, seed=7)
    answer = http.get(f"/internal/zip/{task.id}/mine.zip")
    assert (answer.headers["content-type"], "mine.zip" in answer.headers["content-disposition"]) == ("application/zip", True)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert task.images[0].path is not None
        assert archive.read(task.images[0].path.name) == task.images[0].path.read_bytes()
        assert b"hello" in archive.read("00001-7.png")


def test_deleting_takes_the_file_the_text_beside_it_and_the_place_in_the_task(http: TestClient, task: FakeTask) -> None:
    first, second = (image.path for image in task.images)
    assert first is not None and second is not None
    first.with_suffix(".txt").write_text("parameters")
    copy = first.with_suffix(".jpg")
    copy.write_bytes(encode(task.images[0].image, task.images[0].infotext, Encoding(format="jpg")))
    second.with_suffix(".jpg").write_bytes(copy.read_bytes())
    asked = named(task)
    assert http.post("/internal/picture/delete", json=asked).json() == {"deleted": True}
    assert (first.exists(), copy.exists(), first.with_suffix(".txt").exists(), second.exists()) == (False, False, False, True)
    assert [picture["name"] for picture in http.get(f"/internal/task/{task.id}").json()["pictures"]] == [second.name]
    assert http.post("/internal/picture/delete", json=asked).status_code == 404
    assert second.exists()
    assert http.post("/internal/picture/delete", json=named(task)).status_code == 200
    assert second.with_suffix(".jpg").exists(), "another picture, though of this name"


def test_visitors_of_an_open_page_delete_nothing(http: TestClient, service: FakeService, task: FakeTask) -> None:
    service.exposure = Exposure(open=True, changes=False)
    answer = http.post("/internal/picture/delete", json=named(task))
    assert (answer.status_code, "delete pictures" in answer.json()["detail"], len(task.images)) == (403, True, 2)


def test_a_task_that_draws_keeps_its_pictures(http: TestClient, task: FakeTask) -> None:
    task.state = "running"
    answer = http.post("/internal/picture/delete", json=named(task))
    assert (answer.status_code, len(task.images)) == (422, 2)


@pytest.mark.parametrize("wrong", [{"task": "nix"}, {"index": 9}, {"index": -1}, {"name": "../../etc/passwd"}, {"name": ""}])
def test_only_pictures_of_known_tasks_are_saved_and_deleted(http: TestClient, task: FakeTask, wrong: dict[str, object]) -> None:
    for what in ("save", "delete"):
        assert http.post(f"/internal/picture/{what}", json={**named(task), **wrong}).status_code == 404
    assert len(task.images) == 2
    assert http.get("/internal/zip/nix/x.zip").status_code == 404


def test_what_lies_beside_a_picture_is_not_counted_as_one(service: FakeService, task: FakeTask) -> None:
    task.images.append(FakeSaved(path=None, infotext="", pixels=task.images[0].pixels, beside=True))
    tasks = progress.snapshot(service, CLIENT)["tasks"]  # type: ignore[arg-type]
    assert [(one["images"], one["pictures"]) for one in tasks] == [(3, 2)]  # type: ignore[union-attr, index]
