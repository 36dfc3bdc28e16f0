from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backend.checkpoints.placement import Placement
from backend.errors import Interrupted, NotFound
from backend.extras_steps import STEPS
from backend.face_files import FaceFiles
from backend.job import ExtrasJob, GeneratedImage
from backend.plan_extras import plan_steps
from backend.postprocess.denoise import denoise, noise_level
from backend.postprocess.faces import NO_FACE, FaceRestorers
from backend.postprocess.steps import Tools, run_steps
from backend.postprocess.upscale import Upscalers
from backend.progress import CancelToken
from backend.settings import Settings
from tests.backend.fake_catalog import FakeCatalog
from tests.backend.postprocess.face_networks import face_folder, painter, spots, white_detector

CPU = torch.device("cpu")


def edges(size: int = 96) -> np.ndarray:
    """Two grey fields and a slope, (size, size, 3) in 0…255."""
    plane = np.full((size, size), 60.0)
    plane[:, size // 2 :] = 190
    plane[: size // 3] = np.linspace(30, 220, size)
    return plane[..., None].repeat(3, -1)


def noisy(sigma: float) -> Image.Image:
    noise = np.random.default_rng(0).normal(0, sigma, edges().shape)
    return Image.fromarray((edges() + noise).clip(0, 255).astype(np.uint8))


def run(image: Image.Image, cancel: CancelToken | None = None, **steps: dict[str, object]) -> GeneratedImage:
    planned = plan_steps(steps, Settings(), FakeCatalog([]))
    placement = Placement(device=CPU)
    tools = Tools(
        upscalers=Upscalers(FakeCatalog([]), placement),
        faces=FaceRestorers(FaceFiles((), ()), placement),
        device=CPU,
        on_event=lambda event: None,
        cancel=cancel or CancelToken(),
    )
    return run_steps(ExtrasJob(image=image, steps=planned), tools)


def test_steps_run_in_the_order_of_their_rows_and_those_that_change_nothing_not_at_all():
    planned = plan_steps({"Sharpen": {}, "Upscale": {"upscaler_1_name": "Lanczos"}, "Denoise": {}}, Settings(), FakeCatalog([]))
    assert [step.name for step in planned] == ["Denoise", "Upscale", "Sharpen"]
    assert plan_steps({"Upscale": {}, "Denoise": {"strength": 0}, "Sharpen": {"amount": 0}}, Settings(), FakeCatalog([])) == ()
    assert [step.order for step in STEPS] == sorted(step.order for step in STEPS)


@pytest.mark.parametrize(("crop", "size"), [(True, (128, 128)), (False, (192, 128))])
def test_scale_to_covers_the_size_and_crops_if_asked(crop: bool, size: tuple[int, int]):
    options = {"upscale_mode": 1, "upscale_to_width": 128, "upscale_to_height": 128, "upscale_crop": crop, "upscaler_1_name": "Lanczos"}
    done = run(Image.new("RGB", (96, 64)), Upscale=options)
    assert done.image.size == size
    assert ("Postprocess crop to" in done.extra) == crop


def test_the_longest_side_may_be_limited():
    done = run(Image.new("RGB", (96, 64)), Upscale={"upscale_by": 4.0, "max_side_length": 192, "upscaler_1_name": "Lanczos"})
    assert (done.image.size, done.extra["Postprocess upscale by"], done.extra["Max side length"]) == ((192, 128), "4.0", "192")


def with_faces(folder: Path, image: Image.Image, visibility: float) -> GeneratedImage:
    placement, catalog = Placement(device=CPU), FakeCatalog([])
    catalog.faces = face_folder(folder, white_detector())
    tools = Tools(
        upscalers=Upscalers(catalog, placement),
        faces=FaceRestorers(catalog.faces, placement, painter),
        device=CPU,
        on_event=lambda event: None,
        cancel=CancelToken(),
    )
    return run_steps(ExtrasJob(image=image, steps=plan_steps({"GFPGAN": {"gfpgan_visibility": visibility}}, Settings(), catalog)), tools)


def test_a_restored_face_shines_through_by_its_visibility(tmp_path: Path):
    picture = spots((320, 320), (160, 96))
    done = with_faces(tmp_path, picture, 0.25)
    assert picture.getpixel((166, 102)) == (90, 80, 70)
    assert done.image.getpixel((166, 102)) == (67, 123, 52)
    assert done.extra == {"GFPGAN visibility": "0.25"} and done.comments == ()


def test_no_face_is_told_and_changes_nothing(tmp_path: Path):
    done = with_faces(tmp_path, spots((320, 320)), 0.5)
    assert done.image.tobytes() == spots((320, 320)).tobytes() and done.comments == (NO_FACE,)


def test_faces_that_are_not_to_be_seen_need_no_files():
    assert plan_steps({"GFPGAN": {"gfpgan_visibility": 0}, "CodeFormer": {"codeformer_visibility": 0}}, Settings(), FakeCatalog([])) == ()
    with pytest.raises(NotFound, match="GFPGAN needs"):
        plan_steps({"GFPGAN": {}}, Settings(), FakeCatalog([]))


def test_two_upscalers_are_blended():
    image = noisy(20)
    both = {"upscale_by": 2.0, "upscaler_1_name": "Lanczos", "upscaler_2_name": "Nearest", "upscaler_2_visibility": 0.4}
    alone = [run(image, Upscale={"upscale_by": 2.0, "upscaler_1_name": name}).image for name in ("Lanczos", "Nearest")]
    done = run(image, Upscale=both)
    assert done.image.tobytes() == Image.blend(alone[0], alone[1], 0.4).tobytes()
    assert done.extra == {"Postprocess upscale by": "2.0", "Postprocess upscaler": "Lanczos", "Postprocess upscaler 2": "Nearest"}


@pytest.mark.parametrize("sigma", [5, 12, 25])
def test_denoise_takes_most_of_the_noise_and_leaves_the_edges(sigma: float):
    before, after = np.asarray(noisy(sigma), float), np.asarray(run(noisy(sigma), Denoise={}).image, float)
    flat = np.s_[50:90, 4:44]
    assert after[flat].std() < 0.35 * before[flat].std()
    assert np.abs(after - edges()).mean() < 0.6 * np.abs(before - edges()).mean()
    step = after[50:90, 48].mean() - after[50:90, 47].mean()
    assert step > 0.9 * 130  # the edge is as steep as it was


def test_denoise_leaves_a_clean_picture_alone():
    image = Image.fromarray(edges().astype(np.uint8))
    assert denoise(image, 1.0, device=CPU, cancelled=lambda: False).tobytes() == image.tobytes()


def test_the_noise_is_measured():
    image = noisy(12)
    level = noise_level(torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None])
    assert level * 255 == pytest.approx(12, rel=0.15)


def test_sharpen_steepens_an_edge():
    soft = Image.fromarray(edges().astype(np.uint8)).resize((24, 24)).resize((96, 96), Image.Resampling.BILINEAR)
    sharp = run(soft, Sharpen={"amount": 1.0, "radius": 2.0})
    slope = [np.abs(np.diff(np.asarray(image, float)[60, :, 0])).max() for image in (soft, sharp.image)]
    assert slope[1] > 1.2 * slope[0]
    assert sharp.extra == {"Postprocess sharpen": "1.0"}


def test_a_cancel_ends_the_line():
    cancel = CancelToken()
    cancel.interrupt()
    with pytest.raises(Interrupted):
        run(noisy(12), cancel, Denoise={})
