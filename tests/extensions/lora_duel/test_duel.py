"""A duel over the real plan and queue: what is drawn, kept, judged, gone on with, and what becomes of the winner."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from PIL import Image

from backend.errors import WebUIError
from backend.exposure import Exposure
from backend.images.metadata import read_infotext
from backend.infotext import read
from backend.service import GenerationService
from backend.tasks import Task
from backend.workers.local import LocalWorker
from extensions.lora_duel.contest import contestants
from tests.backend.stage import ask, write_safetensors
from tests.backend.test_service import PATIENCE, until
from tests.backend.workers.fake_engine import FakeEngine
from tests.extensions.running import run, running, submit

TITLE, ID = "LoRA duel", "0123456789abcdef" * 2
OTHER = "f" * 32


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    write_safetensors(tmp_path / "models/Lora/gold.safetensors", {"which": "gold"})
    (tmp_path / "models/Lora/gold.json").parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "models/Lora/gold.json").write_text('{"activation text": "golden"}')
    with running(tmp_path, "lora_duel", LocalWorker(engine)) as (opened, _):
        yield opened


@pytest.fixture
def http(service: GenerationService) -> Iterator[TestClient]:
    app = FastAPI()
    for _, router in service.hooks.call("page_routes", service=service):
        app.include_router(router)
    with TestClient(app) as client:
        yield client


def duel(service: GenerationService, prompt: str = "a cat <lora:ink:0.5:lbw=ALL>", id: str = ID, **values: Any) -> Task:
    task = run(service, TITLE, ask(prompt), **{"loras": "ink\ngold", "weights": "0.4, 1", "duel": id, **values})
    assert task.error is None
    return task


def told(http: TestClient, id: str = ID) -> dict[str, Any]:
    return http.get(f"/lora-duel/{id}").json()


def judged(http: TestClient, id: str = ID, times: int = 100) -> dict[str, Any]:
    """The heavier one is always better."""
    state = told(http, id)
    while (pair := state["pair"]) and (times := times - 1) >= 0:
        left, right = (state["contestants"][pair[side]] for side in ("left", "right"))
        state = http.post(f"/lora-duel/{id}/judge", json={**pair, "better": "left" if worth(left) > worth(right) else "right"}).json()
    return state


def worth(one: dict[str, Any]) -> float:
    return one["weight"] + (0.1 if one["lora"] == "gold" else 0)


def test_each_lora_at_each_weight_and_without_in_an_order_of_chance(service: GenerationService, http: TestClient, engine: FakeEngine):
    duel(service)
    assert sorted(read(image.infotext)["Prompt"] for image in service.tasks()[0].images) == [
        "a cat",
        "a cat <lora:gold:0.4> golden",
        "a cat <lora:gold:1> golden",
        "a cat <lora:ink:0.4:lbw=ALL>",
        "a cat <lora:ink:1:lbw=ALL>",
    ]
    assert (len(engine.jobs), {image.seed for image in service.tasks()[0].images}) == (5, {7})
    state = told(http)
    assert sorted(one["label"] for one in state["contestants"]) == ["gold 0.4", "gold 1", "ink 0.4", "ink 1", "without"]
    assert all(one["version"] for one in state["contestants"])
    duel(service, id=OTHER)
    assert [one["label"] for one in told(http, OTHER)["contestants"]] != [one["label"] for one in state["contestants"]]


def test_a_picture_is_the_saved_file_with_its_parameters(service: GenerationService, http: TestClient):
    duel(service)
    number = next(one["number"] for one in told(http)["contestants"] if one["label"] == "ink 1")
    answer = http.get(f"/lora-duel/{ID}/picture/{number}")
    assert "<lora:ink:1:lbw=ALL>" in (read_infotext(answer.content) or "")
    assert answer.content in [path.read_bytes() for path in (service.paths.data / "outputs").rglob("*.png")]


def test_pictures_that_the_settings_do_not_save_are_kept_with_the_duel(service: GenerationService, http: TestClient):
    service.settings.update({"samples_save": False})
    duel(service)
    assert all(one["version"] for one in told(http)["contestants"])
    assert http.delete(f"/lora-duel/{ID}").status_code == 200
    assert list((service.paths.data / "lora_duels").iterdir()) == []


def test_judged_to_the_end_there_is_a_ranking_and_undo_goes_back(service: GenerationService, http: TestClient):
    duel(service)
    state = judged(http)
    ranked = [[state["contestants"][number]["label"] for number in place] for place in state["places"]]
    assert ranked == [["gold 1"], ["ink 1"], ["gold 0.4"], ["ink 0.4"], ["without"]]
    assert (state["pair"], state["left"]) == (None, 0)
    back = http.post(f"/lora-duel/{ID}/undo").json()
    assert back["judged"] == state["judged"] - 1 and back["pair"] is not None


def test_equally_good_ones_share_a_place_and_another_pair_is_not_judged(service: GenerationService, http: TestClient):
    duel(service, loras="ink")
    pair = told(http)["pair"]
    state = http.post(f"/lora-duel/{ID}/judge", json={**pair, "better": "equal"}).json()
    assert [sorted(place) for place in state["places"]] == [sorted(pair.values())]
    again = http.post(f"/lora-duel/{ID}/judge", json={**pair, "better": "left"}).json()
    assert (again["judged"], again["places"]) == (1, state["places"])


def test_the_same_contestants_cost_no_call_of_the_engine(service: GenerationService, engine: FakeEngine, http: TestClient):
    duel(service)
    duel(service, id=OTHER)
    assert len(engine.jobs) == 5
    duel(service, id="e" * 32, weights="0.4, 1, 2")
    assert len(engine.jobs) == 7
    assert all(one["version"] for id in (ID, OTHER) for one in told(http, id)["contestants"])


def test_one_that_cannot_be_drawn_is_grey_and_the_others_go_on(service: GenerationService, http: TestClient, engine: FakeEngine):
    (service.paths.data / "models/Lora/gold.json").write_text('{"activation text": "refuse"}')
    duel(service, weights="1")
    problems = {one["label"]: one["problem"] for one in told(http)["contestants"]}
    assert problems == {"gold 1": "This file is not a checkpoint.", "ink 1": "", "without": ""}
    assert judged(http)["left"] == 0
    (service.paths.data / "models/Lora/gold.json").write_text("{}")
    run(service, TITLE, ask("something else", seed=9), duel=ID)
    assert told(http)["pair"] is not None  # it takes part now


def test_interrupted_it_keeps_what_was_made_and_goes_on_in_another_program(tmp_path: Path, service: GenerationService, http: TestClient, engine: FakeEngine):
    (tmp_path / "models/Lora/gold.json").write_text('{"activation text": "hang"}')
    task = submit(service, TITLE, ask("a cat"), loras="ink\ngold", weights="0.4, 1", duel=ID)
    until(lambda: "hang" in (engine.jobs[-1].prompts[0] if engine.jobs else ""))
    made = len(engine.jobs) - 1
    assert told(http)["drawing"]["state"] == "running"
    assert http.post(f"/lora-duel/{ID}/stop", json={"client": "0" * 32}).json()["drawing"]  # another page's
    service.interrupt(task.id)
    task.wait(PATIENCE)
    state = told(http)
    assert sum(bool(one["version"]) for one in state["contestants"]) == made < 5
    before = judged(http)
    (tmp_path / "models/Lora/gold.json").write_text("{}")
    service.close()

    with running(tmp_path, "lora_duel", LocalWorker(FakeEngine())) as (again, _):
        app = FastAPI()
        for _, router in again.hooks.call("page_routes", service=again):
            app.include_router(router)
        with TestClient(app) as client:
            assert told(client)["judged"] == before["judged"]
            task = run(again, TITLE, ask("something else", seed=9), duel=ID)
            assert {image.seed for image in task.images} == {7} and len(task.images) == 5 - made
            state = judged(client)
    labels = [state["contestants"][place[0]]["label"] for place in state["places"]]
    assert labels == ["gold 1", "ink 1", "gold 0.4", "ink 0.4", "without"]


def test_two_duels_do_not_mix(service: GenerationService, http: TestClient):
    duel(service, loras="ink")
    duel(service, loras="gold", id=OTHER)
    judged(http)
    assert told(http, OTHER)["judged"] == 0
    assert [one["id"] for one in http.get("/lora-duel").json()["duels"]].count(ID) == 1


def test_the_winners_picture_becomes_the_cards(service: GenerationService, http: TestClient):
    duel(service)
    winner = judged(http)["places"][0][0]
    assert http.post(f"/lora-duel/{ID}/card/{winner}").json() == {"preview": "gold.preview.png"}
    preview = service.paths.data / "models/Lora/gold.preview.png"
    assert "<lora:gold:1>" in (read_infotext(preview.read_bytes()) or "")
    with Image.open(preview) as image:
        assert image.size == (16, 8)


def test_visitors_of_an_open_server_change_no_cards_and_delete_nothing(service: GenerationService, http: TestClient):
    duel(service)
    service.exposure = Exposure(open=True, changes=False)
    assert http.post(f"/lora-duel/{ID}/card/0").status_code == 403
    assert http.delete(f"/lora-duel/{ID}").status_code == 403
    assert told(http)["contestants"]


@pytest.mark.parametrize("id", ["..", "x" * 32, "0" * 31, f"{ID}.json", "%2e%2e%2fconfig"])
def test_what_is_no_id_is_not_there(service: GenerationService, http: TestClient, id: str):
    assert http.get(f"/lora-duel/{id}").status_code == 404
    assert http.delete(f"/lora-duel/{id}").status_code in (404, 405)


def test_a_number_that_nobody_has_is_not_there(service: GenerationService, http: TestClient):
    duel(service)
    assert [http.get(f"/lora-duel/{ID}/picture/{number}").status_code for number in (-1, 99)] == [404, 404]


def test_a_picture_that_was_deleted_is_drawn_again(service: GenerationService, http: TestClient):
    duel(service)
    file = json.loads((service.paths.data / f"lora_duels/{ID}.json").read_text())["contestants"][2]["picture"]
    (service.paths.data / file).unlink()
    assert [one["number"] for one in told(http)["contestants"] if not one["version"]] == [2]
    duel(service)
    assert all(one["version"] for one in told(http)["contestants"])


@pytest.mark.parametrize(
    ("loras", "weights", "sentence"),
    [
        ("", "1", "Choose a LoRA"),
        ("ink", "", "Give a weight"),
        ("ink", "much", "is no number"),
        ("none", "1", "no LoRA 'none'"),
        ("ink", "0-5 (+0.01)", "2 to 64"),
    ],
)
def test_what_is_no_duel_is_told(service: GenerationService, http: TestClient, loras: str, weights: str, sentence: str):
    with pytest.raises(WebUIError, match=sentence):
        contestants(loras, weights, True, service.catalog)
    assert sentence in http.post("/lora-duel/count", json={"loras": loras, "weights": weights}).json()["problem"]


def test_ranges_are_those_of_a_plot(service: GenerationService, http: TestClient):
    assert http.post("/lora-duel/count", json={"loras": "ink", "weights": "0.2-1 (+0.2)"}).json() == {"pictures": 6, "comparisons": 11, "problem": ""}
