"""Beside A1111's own API: the same routes, and, where its recorded answers are at hand, the same keys and types."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

import app
from backend.flags import parse_flags
from tests.backend.stage import open_service

# Of A1111 1.10.1, below /sdapi/v1/.
GET = """progress options cmd-flags samplers schedulers upscalers latent-upscale-modes sd-models sd-vae hypernetworks face-restorers realesrgan-models
    prompt-styles embeddings memory scripts script-info extensions loras""".split()
POST = """txt2img img2img extra-single-image extra-batch-images png-info interrogate interrupt skip options refresh-embeddings refresh-checkpoints
    refresh-vae create/embedding create/hypernetwork train/embedding train/hypernetwork unload-checkpoint reload-checkpoint server-kill server-restart
    server-stop refresh-loras""".split()
RECORDED = Path(__file__).parents[4] / "shared" / "parity" / "api"
# Their keys are names of things, or the machine's.
BY_NAME = (
    "embeddings.loaded",
    "embeddings.skipped",
    "loras[].metadata",
    "samplers[].options",
    "memory.cuda",
    "memory.ram",
)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    service = open_service(tmp_path_factory.mktemp("a1111"), sd_model_checkpoint="tiny.safetensors")
    yield TestClient(app.build(service, parse_flags(["--nowebui", "--api-server-stop"])), base_url="http://127.0.0.1:7860")
    service.close()


def test_every_route_of_a1111_is_served_with_the_same_methods(client: TestClient):
    served = {(method, path) for path, methods in client.get("/openapi.json").json()["paths"].items() for method in methods}
    wanted = {("get", f"/sdapi/v1/{name}") for name in GET} | {("post", f"/sdapi/v1/{name}") for name in POST}
    assert wanted - served == set()


@pytest.mark.skipif(not RECORDED.is_dir(), reason="A1111's recorded answers are not here")
@pytest.mark.parametrize("name", GET)
def test_answers_have_the_keys_and_types_of_a1111s(client: TestClient, name: str):
    theirs = json.loads((RECORDED / f"sdapi_v1_{name.replace('-', '_')}.json").read_text("utf-8"))
    assert list(differences(theirs, client.get(f"/sdapi/v1/{name}").json(), name)) == []


def differences(theirs: Any, ours: Any, where: str) -> Iterator[str]:
    """Of lists the first items are compared; null goes with everything, a whole number with any number."""
    if theirs is None or ours is None or where in BY_NAME:
        return
    if _kind(theirs) != _kind(ours):
        yield f"{where}: {_kind(theirs)} there, {_kind(ours)} here"
    elif isinstance(theirs, dict):
        yield from (f"{where}.{key} is missing" for key in theirs.keys() - ours.keys())
        for key in theirs.keys() & ours.keys():
            yield from differences(theirs[key], ours[key], f"{where}.{key}")
    elif isinstance(theirs, list) and theirs and ours:
        yield from differences(theirs[0], ours[0], f"{where}[]")


def _kind(value: object) -> str:
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


@pytest.mark.parametrize(("theirs", "ours"), [({"a": 1}, {}), ({"a": 1}, {"a": "1"}), ([{"a": True}], [{"a": 1}]), ([], {})])
def test_a_difference_is_found(theirs: Any, ours: Any):
    assert list(differences(theirs, ours, "x"))
