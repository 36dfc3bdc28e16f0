"""The library's routes over a real catalog; only the drawing is pretended."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from backend.exposure import Exposure
from backend.images.metadata import infotext_of
from backend.service import GenerationService
from tests.backend.stage import ask, open_service, write_safetensors

LIBRARY = "/internal/library/lora"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path)
    write_safetensors(tmp_path / "models/Lora/styles/a & b.safetensors", {"ss_tag_frequency": '{"1_x": {"hat": 3}}', "ssmd_cover_images": "[]"})
    service.catalog.refresh()
    yield service
    service.close()


def folder(service: GenerationService) -> Path:
    return service.paths.loras[0]


def test_notes_are_read_and_written_and_keys_of_other_programs_stay(http: TestClient, service: GenerationService):
    sidecar = folder(service) / "styles/a & b.json"
    sidecar.write_text('{"civitai": {"id": 3}, "notes": "old"}')
    url = f"{LIBRARY}/notes/styles/a%20%26%20b"
    assert http.get(url).json() == {
        "description": "", "activation text": "", "negative text": "", "notes": "old", "sd version": "", "preferred weight": 0, "rating": 0
    }  # fmt: skip
    entry = http.put(url, json={"activation text": "<b>hat</b>", "preferred weight": 0.7, "notes": None, "sd version": "SDXL"}).json()
    assert (entry["name"], entry["activation text"], entry["weight"], entry["family"]) == ("styles/a & b", "<b>hat</b>", 0.7, "SDXL")
    assert json.loads(sidecar.read_text()) == {"civitai": {"id": 3}, "activation text": "<b>hat</b>", "preferred weight": 0.7, "sd version": "SDXL"}
    assert http.get(LIBRARY, params={"search": "<b>"}).json()["found"] == 1


@pytest.mark.parametrize(
    "changes", [{"colour": "red"}, {"preferred weight": "much"}, {"preferred weight": True}, {"preferred weight": 1e9}, {"notes": 3}, {"notes": "x" * 100_001}]
)
def test_what_no_field_takes_is_refused_and_nothing_is_written(http: TestClient, service: GenerationService, changes: dict[str, object]):
    answer = http.put(f"{LIBRARY}/notes/ink.safetensors", json={"description": "new", **changes})
    assert answer.status_code == 422 and answer.json()["detail"]
    assert not (folder(service) / "ink.json").exists()


def test_about_a_file_is_all_that_is_known_of_it(http: TestClient):
    told = http.get(f"{LIBRARY}/about/styles/a%20%26%20b").json()
    assert (told["tags"], told["metadata"], told["kind"], told["duplicates"], told["same_name"]) == ([["hat", 3]], {}, "unknown", [], [])
    assert http.get(f"{LIBRARY}/about/ink").json()["metadata"] == {"ss_output_name": "indian-ink", "ss_v2": "False"}


def test_a_favourite_is_set_and_unset(http: TestClient):
    for wanted in (True, False):
        assert http.post(f"{LIBRARY}/favourite/ink", json={"favourite": wanted}).json() == {"favourite": wanted}
        assert http.get(LIBRARY, params={"favourites": True}).json()["found"] == wanted


def test_a_picture_counts_as_a_use_of_its_networks(http: TestClient, service: GenerationService):
    service.submit(ask("a cat <lora:ink:1>", batch_size=2)).wait(20)
    entries = http.get(LIBRARY, params={"sort": "uses", "descending": True}).json()["entries"]
    assert [(entry["stem"], entry["uses"], entry["used"] > 0) for entry in entries] == [("ink", 2, True), ("a & b", 0, False)]


def test_a_picture_becomes_the_preview_with_its_parameters(http: TestClient, service: GenerationService):
    task = service.submit(ask()).wait(20)
    entry = http.post(f"{LIBRARY}/preview/ink", json={"task": task.id, "index": 0}).json()
    preview = folder(service) / "ink.preview.png"
    assert "Seed: 7" in infotext_of(Image.open(preview))
    assert http.get(f"/internal/thumbnail/lora/ink.safetensors?v={entry['picture']}").headers["cache-control"].startswith("private, max-age=3")
    assert Image.open(io.BytesIO(http.get("/internal/thumbnail/lora/ink.safetensors").content)).size == (16, 8)
    preview.rename(folder(service) / "ink.png")  # it would be shown all the same
    answer = http.post(f"{LIBRARY}/preview/ink", json={"task": task.id, "index": 0})
    assert answer.status_code == 422 and "ink.png lies beside the model" in answer.json()["detail"]
    assert [http.post(f"{LIBRARY}/preview/ink", json={"task": id, "index": n}).status_code for id, n in (("x", 0), (task.id, 9), (task.id, -1))] == [404] * 3


@pytest.mark.parametrize("name", ["nix", "../ink", "..%2F..%2Fconfig", "%2Fetc%2Fpasswd", "styles", "indian-ink", "styles%2F..%2Fink", "ink.json", "a%00b"])
@pytest.mark.parametrize("what", ["about", "notes", "favourite", "preview"])
def test_only_names_of_the_list_are_known(http: TestClient, service: GenerationService, name: str, what: str):
    before = sorted(service.paths.data.rglob("*"))
    url = f"{LIBRARY}/{what}/{name}"
    answers = {"about": [http.get(url)], "notes": [http.get(url), http.put(url, json={"notes": "x"})], "favourite": [http.post(url, json={"favourite": True})],
               "preview": [http.post(url, json={"task": "x", "index": 0})]}[what]  # fmt: skip
    assert {answer.status_code for answer in answers} <= {404, 405}
    assert sorted(service.paths.data.rglob("*")) == before


# --------------------------------------------------------------------------- uploads


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    return write_safetensors(tmp_path / "elsewhere/x.safetensors", {"ss_output_name": "new"}).read_bytes()


def test_an_uploaded_file_is_in_the_list_at_once(http: TestClient, service: GenerationService, data: bytes):
    assert http.get("/internal/upload/lora/my new.safetensors", params={"size": len(data)}).json() == {"name": "my new.safetensors"}
    entry = http.put("/internal/upload/lora/my%20new.safetensors", content=data).json()
    assert (entry["name"], entry["alias"]) == ("my new", "new")
    assert (folder(service) / "my new.safetensors").read_bytes() == data
    again = http.put("/internal/upload/lora/my%20new.safetensors", content=data)
    assert again.status_code == http.get("/internal/upload/lora/my new.safetensors").status_code == 409
    assert again.json()["detail"].startswith("There is a file my new.safetensors already")


def test_each_kind_has_its_folder(http: TestClient, service: GenerationService, data: bytes):
    for kind, place in (("checkpoint", "models/Stable-diffusion"), ("vae", "models/VAE"), ("embedding", "embeddings"), ("upscaler", "models/ESRGAN")):
        assert http.put(f"/internal/upload/{kind}/up.safetensors", content=data).status_code == 200
        assert (service.paths.data / place / "up.safetensors").is_file()
    assert http.put("/internal/upload/nix/up.safetensors", content=data).status_code == 404


@pytest.mark.parametrize("name", ["..%2Fx.safetensors", "%2Ftmp%2Fx.safetensors", "a/x.safetensors", ".x.safetensors", "x.ckpt", "..%5Cx.safetensors"])
def test_no_upload_leaves_the_folder(http: TestClient, service: GenerationService, data: bytes, name: str):
    before = sorted(service.paths.data.rglob("*"))
    assert http.put(f"/internal/upload/lora/{name}", content=data).status_code in (404, 405, 422)
    assert sorted(service.paths.data.rglob("*")) == before


def test_what_is_no_model_or_too_big_is_refused_with_a_sentence(http: TestClient, service: GenerationService, data: bytes):
    for content in (data[:-1], b"<html>", b""):
        answer = http.put("/internal/upload/lora/x.safetensors", content=content)
        assert answer.status_code == 422 and "x.safetensors" in answer.json()["detail"]
    service.settings.update({"upload_limit": 0})
    assert http.put("/internal/upload/lora/x.safetensors", content=data).status_code == 413
    assert [path.name for path in folder(service).iterdir() if path.is_file()] == ["ink.safetensors"]


def test_nobody_uploads_to_an_open_server(http: TestClient, service: GenerationService, data: bytes):
    service.exposure = Exposure(open=True, changes=False)
    answer = http.put("/internal/upload/lora/x.safetensors", content=data)
    assert answer.status_code == http.get("/internal/upload/lora/x.safetensors").status_code == 403
    assert "--gradio-auth" in answer.json()["detail"]


def test_nobody_writes_beside_the_models_of_an_open_server(http: TestClient, service: GenerationService):
    service.exposure = Exposure(open=True, changes=False)
    assert http.put(f"{LIBRARY}/notes/ink.safetensors", json={"notes": "x"}).status_code == 403
    assert http.post(f"{LIBRARY}/preview/ink.safetensors", json={"task": "x", "index": 0}).status_code == 403
    assert http.get(f"{LIBRARY}/notes/ink.safetensors").json()["notes"] == ""


def test_previews_are_ordered_and_followed_over_the_routes(http: TestClient, service: GenerationService):
    assert http.get("/internal/previews").json()["state"] == "none"
    assert http.post("/internal/previews", json={"what": "start", "kind": "vae"}).status_code == 404
    assert "start, pause, continue, stop" in http.post("/internal/previews", json={"what": "nix"}).json()["detail"]
    assert http.post("/internal/previews", json={"what": "start", "kind": "lora"}).json()["active"]
    assert http.post("/internal/previews", json={"what": "stop"}).json()["state"] == "stopped"
    service.exposure = Exposure(open=True, changes=False)
    assert http.post("/internal/previews", json={"what": "start", "kind": "lora"}).status_code == 403
