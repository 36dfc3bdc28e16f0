"""The routes of the tools, over a real queue and the engine's real part."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from safetensors.torch import load_file

from backend.exposure import Exposure
from backend.service import GenerationService
from backend.workers.local import LocalWorker
from tests import checkpoint_files as files
from tests.backend.networks.small import whole_lora
from tests.backend.stage import ask as picture
from tests.backend.stage import open_service
from tests.backend.test_tool_task import PATIENCE, Maker

CLIENT = "0123456789abcdef" * 2


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    for seed, name in enumerate("ab"):
        files.write(tmp_path / f"models/Stable-diffusion/{name}.safetensors", files.sd1_tensors(seed=seed), metadata={"title": name})
    whole_lora(tmp_path / "models/Lora/sub/pen.safetensors")
    opened = open_service(tmp_path, LocalWorker(Maker(tmp_path)))
    yield opened
    opened.close()


def ask(http: TestClient, what: str, **asked: object):
    return http.post(f"/internal/tools/{what}", json={"client": CLIENT, "asked": asked})


def test_a_merge_runs_as_a_task_of_the_page_and_tells_its_file(http: TestClient, service: GenerationService, tmp_path: Path):
    task = service.task(ask(http, "merge", primary="a.safetensors", secondary="b.safetensors", multiplier=0.5, half=True).json()["task"])
    assert task is not None
    task.wait(PATIENCE)
    (told,) = http.get("/internal/progress", params={"client": CLIENT}).json()["tasks"]
    assert (told["tab"], told["state"], told["comments"]) == ("merge", "done", ["Saved as 0.5(a) + 0.5(b).safetensors"])
    listed = http.get("/internal/tools/files").json()
    assert "0.5(a) + 0.5(b).safetensors" in [file["name"] for file in listed["checkpoints"]]
    assert load_file(tmp_path / "models/Stable-diffusion/0.5(a) + 0.5(b).safetensors")


def test_the_name_is_foretold_and_the_metadata_can_be_read(http: TestClient):
    assert ask(http, "name", primary="a", secondary="b").json() == {"name": "0.7(a) + 0.3(b).safetensors", "there": False}
    assert ask(http, "name", primary="a", method="No interpolation").json() == {"name": "a.safetensors", "there": True}
    assert ask(http, "name", primary="a", secondary="b", name="mine").json()["name"] == "mine.safetensors"
    assert ask(http, "name", primary="a").json()["name"] == ""
    found = json.loads(ask(http, "metadata", primary="a", secondary="b").json()["metadata"])
    assert found == {"format": "pt", "title": "b"}


def test_what_is_wrong_is_said_in_a_sentence(http: TestClient, service: GenerationService):
    answer = ask(http, "merge", primary="a", secondary="gone")
    assert (answer.status_code, "There is no checkpoint 'gone'" in answer.json()["detail"]) == (404, True)
    assert ask(http, "merge", primary="a", secondary="b", name="x/y").status_code == 422
    assert service.tasks() == ()


def test_visitors_who_may_change_nothing_may_make_no_files(http: TestClient, service: GenerationService):
    service.exposure = Exposure(open=True, changes=False)
    for what, asked in (
        ("merge", {"primary": "a", "secondary": "b"}),
        ("bake", {"loras": [{"name": "pen", "te_weight": 0.5}], "name": "x"}),
        ("extract", {"tuned": "a", "base": "b", "name": "x"}),
    ):
        answer = ask(http, what, **asked)
        assert (answer.status_code, "make model files" in answer.json()["detail"]) == (403, True)
    assert service.tasks() == ()


def test_the_block_map_comes_as_numbers_and_leaves_no_task_behind(http: TestClient, service: GenerationService):
    found = http.get("/internal/tools/blocks/sub/pen").json()
    assert [(row["block"], row["layers"]) for row in found["blocks"]] == [("TE", 1), ("IN00", 1), ("IN01", 3)]
    assert all(row["norm"] > 0 for row in found["blocks"])
    assert service.tasks() == ()
    assert http.get("/internal/tools/blocks/gone").status_code == 404


def test_jobs_are_listed_by_the_tools_name(http: TestClient, service: GenerationService):
    drawing = service.submit(picture("hang"))
    ask(http, "bake", loras=[{"name": "pen", "te_weight": 0.5}], name="soft")
    job = http.get("/internal/jobs", params={"client": CLIENT}).json()["jobs"][-1]
    assert (job["kind"], job["owner"], job["size"], job["steps"]) == ("Lora resize", "own", None, None)
    service.interrupt(drawing.id)
