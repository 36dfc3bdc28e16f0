"""Tools from the request to the new file in its list, over the real queue and the engine's real part."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from backend.catalog import Catalog
from backend.errors import WebUIError
from backend.flags import parse_flags
from backend.hashes import HashCache
from backend.job import ToolJob
from backend.make import make
from backend.model_tools import BakeRequest, BlockMapRequest, ExtractRequest, MergeRequest, ToolRequest, WeightedLora
from backend.paths import Paths
from backend.progress import CancelToken, Event
from backend.service import GenerationService
from backend.workers.local import LocalWorker
from backend.workers.process import ProcessWorker
from tests import checkpoint_files as files
from tests.backend.networks.test_extract import tuned_of
from tests.backend.stage import ask, open_service
from tests.backend.workers.fake_engine import FakeEngine

PATIENCE = 60  # seconds before a test gives up


class Maker(FakeEngine):
    """The real tools."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        paths = Paths.from_flags(parse_flags(["--data-dir", str(folder)]), folder)
        self.catalog = Catalog(paths, HashCache(paths.cache / "hashes.db"))

    def make(self, job: ToolJob, on_event: Callable[[Event], None], cancel: CancelToken) -> None:
        make(job, self.catalog, on_event, cancel)


class Dying(FakeEngine):
    """Is killed while it writes."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def make(self, job: ToolJob, on_event: Callable[[Event], None], cancel: CancelToken) -> None:
        (self.folder / job.output.part).write_bytes(b"half a file")  # type: ignore[union-attr]
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "Stable-diffusion"
    files.write_sd1(folder / "a.safetensors", seed=1)
    tuned_of(folder / "a.safetensors")  # tuned.safetensors
    return folder


@pytest.fixture
def service(tmp_path: Path, models: Path) -> Iterator[GenerationService]:
    opened = open_service(tmp_path, LocalWorker(Maker(tmp_path)))
    yield opened
    opened.close()


def done(service: GenerationService, request: ToolRequest):
    task = service.submit_tool(request)
    task.wait(PATIENCE)
    assert (task.state, task.error) == ("done", None)
    return task


def test_a_merged_checkpoint_is_in_the_list_with_its_recipe(service: GenerationService, models: Path):
    task = done(service, MergeRequest(primary="a", secondary="tuned", multiplier=0.25))
    assert (task.made, task.words, task.progress) == ("0.75(a) + 0.25(tuned).safetensors", "Checkpoint merger", 1.0)
    assert service.catalog.find("checkpoint", "0.75(a) + 0.25(tuned)")
    with safe_open(models / task.made, "pt") as file:
        said = file.metadata()
    a, tuned = (service.catalog.find("checkpoint", name) for name in ("a", "tuned"))
    assert a is not None and tuned is not None
    assert json.loads(said["sd_merge_recipe"]) == {
        "type": "webui", "primary_model_hash": a.hash, "secondary_model_hash": tuned.hash, "tertiary_model_hash": None, "interp_method": "Weighted sum",
        "multiplier": 0.25, "save_as_half": False, "custom_name": "", "config_source": 0, "bake_in_vae": "None", "discard_weights": "",
        "is_inpainting": False, "is_instruct_pix2pix": False,
    }  # fmt: skip
    assert json.loads(said["sd_merge_models"])[a.hash] == {"name": "a.safetensors", "legacy_hash": "", "sd_merge_recipe": None}
    assert said["format"] == "pt"


def test_a_merge_of_a_merge_names_all_models(service: GenerationService, models: Path):
    first = done(service, MergeRequest(primary="a", secondary="tuned", name="first"))
    again = done(service, MergeRequest(primary="first", method="No interpolation", name="again", metadata='{"author": "me", "year": 2}'))
    with safe_open(models / again.made, "pt") as file:
        said = file.metadata()
    known = json.loads(said["sd_merge_models"])
    assert sorted(model["name"] for model in known.values()) == ["a.safetensors", "first.safetensors", "tuned.safetensors"]
    recipes = {model["name"]: model["sd_merge_recipe"] for model in known.values()}
    assert recipes["first.safetensors"]["multiplier"] == 0.3
    assert (said["author"], said["year"], first.made) == ("me", "2", "first.safetensors")


def test_without_metadata_the_file_says_nothing(service: GenerationService, models: Path):
    task = done(service, MergeRequest(primary="a", method="No interpolation", name="bare", save_metadata=False))
    with safe_open(models / task.made, "pt") as file:
        assert not file.metadata()


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (MergeRequest(primary="a"), "No model B is chosen"),
        (MergeRequest(primary="a", secondary="nothing"), "There is no checkpoint 'nothing'"),
        (MergeRequest(primary="a", secondary="tuned", method="Sigmoid"), "Unknown interpolation method"),
        (MergeRequest(primary="a", secondary="tuned", multiplier=1.5), "between 0 and 1"),
        (MergeRequest(primary="a", secondary="tuned", discard="("), "no regular expression"),
        (MergeRequest(primary="a", secondary="tuned", metadata="[1]"), "has to be a JSON object"),
        (MergeRequest(primary="a", secondary="tuned", metadata="{"), "no JSON"),
        (MergeRequest(primary="a", secondary="tuned", name="../a"), "no name for a model file"),
        (MergeRequest(primary="a", secondary="tuned", name="a"), "already"),
        (MergeRequest(primary="a", secondary="tuned", vae="none"), "There is no vae"),
        (BakeRequest(loras=(), name="x"), "No Lora is chosen"),
        (BakeRequest(loras=(WeightedLora(name="ink"),), name="x"), "would stay as it is"),
        (BakeRequest(loras=(WeightedLora(name="ink"),), name=" ", rank=4), "needs a name"),
        (BakeRequest(loras=(WeightedLora(name="ink"),), name="x", rank=4, rule="sv_fro", value=2), "no share"),
        (BakeRequest(loras=(WeightedLora(name="ink"),), name="x", rank=4, precision="fp8"), "Unknown precision"),
        (ExtractRequest(tuned="a", base="a", name="x"), "the same file"),
        (ExtractRequest(tuned="tuned", base="a", name="x", rank=0), "between 1 and"),
    ],
)
def test_what_can_be_seen_to_be_wrong_is_refused_before_it_waits(service: GenerationService, request_: ToolRequest, sentence: str):
    with pytest.raises(WebUIError, match=sentence):
        service.submit_tool(request_)
    assert service.tasks() == ()


def test_loras_are_extracted_merged_shrunk_mapped_and_baked(service: GenerationService, tmp_path: Path, models: Path):
    extracted = done(service, ExtractRequest(tuned="tuned", base="a", name="one", rank=2, precision="fp32"))
    assert any("could not be taken along" in sentence for sentence in extracted.comments)
    both = done(service, BakeRequest(loras=(WeightedLora(name="one", te_weight=0.5, unet_weight=0.5), WeightedLora(name="one")), name="two"))
    assert "rank 4, exact" in both.comments[0]
    small = done(service, BakeRequest(loras=(WeightedLora(name="two"),), name="small", rank=2, precision="fp32"))
    assert (small.words, both.words) == ("Lora resize", "Lora bake")
    ranks = {tensor.shape[0] for name, tensor in load_file(tmp_path / "models/Lora/small.safetensors").items() if name.endswith("lora_down.weight")}
    assert ranks == {2}
    numbers = done(service, BlockMapRequest(lora="one")).numbers
    assert {"TE", "IN01", "M00", "OUT11"} <= {row["block"] for row in numbers["blocks"]}  # type: ignore[union-attr]
    model = done(service, BakeRequest(loras=(WeightedLora(name="one"),), checkpoint="a", name="a with one"))
    name = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    made, tuned, a = (load_file(models / file)[name].float() for file in (model.made, "tuned.safetensors", "a.safetensors"))
    assert (made - tuned).norm() < 0.05 * (tuned - a).norm()


def test_a_tool_waits_its_turn_and_can_be_cancelled_there(service: GenerationService, models: Path):
    drawing = service.submit(ask("hang"))
    task = service.submit_tool(MergeRequest(primary="a", secondary="tuned", name="never"))
    service.interrupt(task.id)
    service.interrupt(drawing.id)
    assert (task.wait(PATIENCE).state, task.made) == ("interrupted", "")
    assert not (models / "never.safetensors").exists()


def test_an_engine_that_is_killed_leaves_no_half_file(tmp_path: Path, models: Path):
    service = open_service(tmp_path, ProcessWorker(models, target="tests.backend.test_tool_task:Dying"))
    try:
        task = service.submit_tool(MergeRequest(primary="a", secondary="tuned", name="never"))
        task.wait(PATIENCE)
        assert task.state == "failed"
        assert sorted(path.name for path in models.rglob("*") if path.is_file()) == sorted(
            ["a.safetensors", "tuned.safetensors", "tiny.safetensors", "second.safetensors"]
        )
    finally:
        service.close()


def test_a_vae_is_baked_in_by_its_name(service: GenerationService, tmp_path: Path, models: Path):
    files.write_vae(tmp_path / "models/VAE/own.safetensors")
    service.catalog.refresh()
    task = done(service, MergeRequest(primary="a", method="No interpolation", name="with vae", vae="own.safetensors"))
    vae = load_file(tmp_path / "models/VAE/own.safetensors")
    found = load_file(models / task.made)
    assert all(torch.equal(found[f"first_stage_model.{name}"], tensor) for name, tensor in vae.items())
