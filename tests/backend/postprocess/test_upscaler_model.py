import pickle
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from backend.checkpoints.placement import Placement
from backend.errors import WebUIError
from backend.job import Tiling
from backend.plan_upscalers import upscaler
from backend.postprocess.spandrel_library import load_spandrel
from backend.postprocess.tiles import places, run_tiled
from backend.postprocess.upscaler_model import load_upscaler
from backend.progress import CancelToken, Event, Step
from backend.settings import Settings
from tests.backend.postprocess.upscaler_files import save, tiny, upscalers

CPU = Placement(device=torch.device("cpu"))
ARCHITECTURES = ("Compact", "ESRGAN", "SwinIR", "DAT")


def smooth(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)).resize((width, height), Image.Resampling.BICUBIC)


def test_spandrel_leaves_no_trace_of_a_torchvision_that_is_not_there():
    load_spandrel()
    assert not [name for name in sys.modules if name.split(".")[0] == "torchvision"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_file_becomes_the_model_that_was_saved(architecture: str, tmp_path: Path):
    model = tiny(architecture).eval()
    loaded = load_upscaler(save(model, tmp_path / "x.pth"), CPU)
    pixels = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        assert torch.allclose(loaded(pixels), model(pixels).clamp(0, 1), atol=1e-6)
    assert (loaded.architecture, loaded.scale) == (architecture, 2)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_tiles_give_nearly_the_picture_that_the_whole_gives(architecture: str, tmp_path: Path):
    with upscalers(tmp_path) as (tool, catalog):
        save(tiny(architecture), tmp_path / "models/ESRGAN/x.pth")
        catalog.refresh("upscaler")
        ref = upscaler("x", catalog, Settings())
        whole, tiled = (
            tool.upscale(smooth(56, 40), replace(ref, tilings={"": Tiling(size=size, overlap=8)}), 2, on_event=lambda event: None, cancel=CancelToken())
            for size in (0, 24)
        )
    difference = np.abs(np.asarray(whole, float) - np.asarray(tiled, float))
    assert whole.size == (112, 80)
    assert difference.mean() < 2
    assert np.asarray(whole).std() > 3  # there is something to see


def test_tiles_of_a_model_that_sees_single_pixels_are_the_whole_bit_by_bit():
    pixels = torch.rand(1, 3, 37, 51)

    def twice(tile: torch.Tensor) -> torch.Tensor:
        return tile.repeat_interleave(2, -1).repeat_interleave(2, -2)

    found = run_tiled(twice, pixels, Tiling(size=16, overlap=4), lambda number, count: True)
    assert found is not None and torch.allclose(found, twice(pixels)[0], atol=1e-6)


@pytest.mark.parametrize(("length", "size", "overlap"), [(192, 192, 8), (193, 192, 8), (1000, 192, 8), (50, 16, 15)])
def test_tiles_cover_a_side(length: int, size: int, overlap: int):
    starts = places(length, Tiling(size=size, overlap=overlap))
    assert (starts[0], starts[-1]) == (0, length - size)
    assert all(after - before <= size - overlap for before, after in pairwise(starts))


def test_a_model_is_applied_until_the_size_is_reached_and_loaded_once(tmp_path: Path):
    told: list[Event] = []
    with upscalers(tmp_path) as (tool, catalog):
        save(tiny("Compact"), tmp_path / "models/HAT/x.pth")
        catalog.refresh("upscaler")
        ref = upscaler("x", catalog, Settings().override({"ESRGAN_tile": 16}))
        done = tool.upscale(smooth(24, 16), ref, 4, on_event=told.append, cancel=CancelToken())
        tool.upscale(smooth(24, 16), ref, 2, on_event=told.append, cancel=CancelToken())
    assert done.size == (96, 64)
    assert [str(event) for event in told].count("Status(text='Loading x.pth …')") == 1
    assert any(isinstance(event, Step) for event in told)


def test_a_cancel_ends_between_two_tiles_with_a_picture_of_the_right_size(tmp_path: Path):
    cancel = CancelToken()
    with upscalers(tmp_path) as (tool, catalog):
        save(tiny("Compact"), tmp_path / "models/ESRGAN/x.pth")
        catalog.refresh("upscaler")
        ref = upscaler("x", catalog, Settings().override({"ESRGAN_tile": 16}))
        done = tool.upscale(smooth(64, 64), ref, 2, on_event=lambda event: cancel.interrupt() if isinstance(event, Step) else None, cancel=cancel)
    assert done.tobytes() == smooth(64, 64).resize((128, 128), Image.Resampling.LANCZOS).tobytes()


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (open, ("/tmp/never", "w"))


def write_bad(kind: str, path: Path) -> None:
    if kind == "code":
        path.write_bytes(pickle.dumps({"a": Evil()}, 2))
    elif kind == "cut":
        path.write_bytes(save(tiny("Compact"), path).read_bytes()[:-200])
    elif kind == "other":
        torch.save({"a": torch.zeros(3)}, path)
    elif kind == "list":
        torch.save([torch.zeros(3)], path)
    else:
        path.write_bytes(b"")


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("code", "more than tensors"), ("cut", "damaged"), ("other", "no upscaler that is known"), ("list", "no tensors by name"), ("empty", "damaged")],
)
def test_a_bad_file_is_answered_with_one_sentence(kind: str, sentence: str, tmp_path: Path):
    write_bad(kind, tmp_path / "x.pth")
    with pytest.raises(WebUIError, match=sentence) as caught:
        load_upscaler(tmp_path / "x.pth", CPU)
    assert "\n" not in str(caught.value)


def test_weights_may_be_safetensors_and_lie_under_params(tmp_path: Path):
    model = tiny("ESRGAN")
    save_file(model.state_dict(), tmp_path / "x.safetensors")
    torch.save({"params_ema": model.state_dict()}, tmp_path / "y.pth")
    pixels = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        found = [load_upscaler(tmp_path / name, CPU)(pixels) for name in ("x.safetensors", "y.pth")]
    assert torch.equal(*found)
