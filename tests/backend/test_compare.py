"""Pictures drawn again: what is found, what is refused, and the numbers of the verdict."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.compare import difference, judge
from backend.comparisons import REMEMBERED, Comparison, Comparisons, told
from backend.errors import NotFound, WebUIError
from backend.images.metadata import Encoding, encode
from backend.service import GenerationService
from backend.settings import Settings
from tests.backend.stage import ask, open_service, write_safetensors
from tests.backend.workers.fake_engine import colour

PATIENCE = 30  # seconds before a test gives up
SAID = "a cat\nSteps: 3, Sampler: Euler, Schedule type: Automatic, CFG scale: 7.0, Seed: 7, Size: 16x8, RNG: CPU"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    opened = open_service(tmp_path, randn_source="CPU")
    yield opened
    opened.close()


def drawn(service: GenerationService, prompt: str = "a cat <lora:ink:0.5>", **fields) -> bytes:
    """The file of a picture that the service drew."""
    task = service.submit(ask(prompt, **fields)).wait(PATIENCE)
    assert task.error is None
    assert task.images[0].path
    return task.images[0].path.read_bytes()


def compared(service: GenerationService, data: bytes) -> Comparison:
    comparison = Comparisons(service).begin(data)
    if comparison.task:
        comparison.task.wait(PATIENCE)
    return comparison


def other_pixels(data: bytes, change, text: str | None = None) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        pixels = np.asarray(image.convert("RGB")).copy()
        said = image.text["parameters"] if text is None else text  # type: ignore[attr-defined]
    change(pixels)
    return encode(Image.fromarray(pixels), said, Encoding())


def test_a_picture_of_this_program_is_identical_and_its_files_are_found_by_hash(service: GenerationService, tmp_path: Path):
    data = drawn(service)
    lora = tmp_path / "models/Lora"
    (lora / "ink.safetensors").rename(lora / "renamed.safetensors")
    other = write_safetensors(lora / "ink.safetensors", {"other": "file"})
    other.write_bytes(other.read_bytes()[:-4] + b"\1\2\3\4")  # the hash is that of the tensors
    service.catalog.refresh()
    service.catalog.short_hash(service.catalog.exactly("lora", "renamed.safetensors"))  # as is done in the background
    before = set((tmp_path / "outputs").rglob("*.png"))
    found = compared(service, data)
    verdict = found.verdict()
    assert verdict is not None
    assert (verdict.identical, verdict.most, verdict.sentence, verdict.reasons) == (True, 0, "Identical: every pixel is the same.", ())
    assert [(need.kind, need.name, bool(need.found), need.note) for need in found.needs if need.kind == "checkpoint"] == [("checkpoint", "tiny", True, "")]
    assert set((tmp_path / "outputs").rglob("*.png")) == before  # nothing is saved
    assert found.task is not None
    assert found.task.plan is not None
    assert [network.file.name for network in found.task.plan.jobs[0].networks] == ["renamed.safetensors"]


def test_a_lora_of_the_name_with_another_hash_is_named_as_the_reason(service: GenerationService, tmp_path: Path):
    data = drawn(service)
    write_safetensors(tmp_path / "models/Lora/ink.safetensors", {"now": "other"}).write_bytes(
        (tmp_path / "models/Lora/ink.safetensors").read_bytes()[:-4] + b"\1\2\3\4"
    )
    service.catalog.refresh()
    found = compared(service, other_pixels(data, lambda pixels: pixels.fill(9)))
    verdict = found.verdict()
    assert verdict is not None
    assert "The Lora ink.safetensors is another file of that name" in verdict.reasons[0]


def test_what_is_missing_is_said_and_nothing_is_drawn(service: GenerationService, tmp_path: Path):
    data = drawn(service)
    (tmp_path / "models/Lora/ink.safetensors").unlink()
    service.catalog.refresh()
    tasks = len(service.tasks())
    found = compared(service, data)
    assert "cannot be drawn again here. The Lora ink [" in found.problem
    assert (found.task, found.verdict(), len(service.tasks())) == (None, None, tasks)
    assert [need.found for need in found.needs if need.kind == "lora"] == [""]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "carries no parameters"),
        (f"{SAID}, Denoising strength: 0.5", "img2img"),
        (f"{SAID}, Script: X/Y/Z plot", "made by the script X/Y/Z plot"),
        (f"{SAID}, Model hash: 0123456789, Model: gone", r"The checkpoint gone \[0123456789\] is missing"),
        (f"{SAID}, Face restoration: GFPGAN", "GFPGAN needs GFPGANv1.4.pth"),
        (f"{SAID}, Postprocess upscale by: 4", "enlarged after"),
    ],
)
def test_what_cannot_be_drawn_again_is_refused_with_the_reason(service: GenerationService, text: str, sentence: str):
    found = compared(service, encode(Image.new("RGB", (16, 8)), text, Encoding()))
    assert found.task is None
    assert re.search(sentence, found.problem)


def test_the_checkpoint_and_vae_of_the_picture_are_taken_and_not_those_of_the_settings(service: GenerationService):
    data = drawn(service)
    service.settings.update({"sd_model_checkpoint": "second", "sd_vae": "bright.safetensors", "disable_weights_auto_swap": True, "CLIP_stop_at_last_layers": 2})
    found = compared(service, data)
    assert found.task is not None
    assert found.task.plan is not None
    (job,) = found.task.plan.jobs
    assert (job.model.checkpoint.name, job.model.vae, job.conditioning.clip_skip) == ("tiny.safetensors", None, 1)
    assert found.verdict().identical  # type: ignore[union-attr]


def test_one_picture_of_a_batch_is_drawn_alone(service: GenerationService):
    task = service.submit(ask("a cat", batch_size=2, n_iter=2)).wait(PATIENCE)
    third = next(image for image in task.images if image.seed == 9)
    assert third.path
    found = compared(service, third.path.read_bytes())
    assert found.task is not None
    assert [image.seed for image in found.task.images] == [9]
    assert found.picture("after").getpixel((0, 0)) == colour(9)
    assert found.verdict().identical  # type: ignore[union-attr]


def test_the_numbers_are_those_of_the_pixels():
    before, after = Image.new("RGB", (10, 10), (100, 100, 100)), Image.new("RGB", (10, 10), (100, 100, 100))
    after.putpixel((3, 4), (130, 100, 90))
    verdict = judge(before, after, SAID, SAID, (), Settings())
    square = (30**2 + 10**2) / 300
    assert (verdict.most, verdict.mean) == (30, pytest.approx(40 / 300))
    assert verdict.psnr == pytest.approx(10 * np.log10(255**2 / square))
    picture, factor = difference(before, after)
    assert (factor, picture.getpixel((3, 4)), picture.getpixel((0, 0))) == (8, (240, 0, 80), (0, 0, 0))


def test_reasons_name_the_labels_that_changed_rounding_noise_and_settings():
    before = Image.new("RGB", (4, 4), (100, 100, 100))
    near, far = Image.new("RGB", (4, 4), (102, 100, 100)), Image.new("RGB", (4, 4), (9, 9, 9))
    assert judge(before, near, SAID, SAID, (), Settings()).reasons == (
        "Differences of this size come from rounding: another device, another precision, or another version of a library.",
    )
    older = SAID.replace("Seed: 7", "Seed: 7, Version: v1.6.0").replace(", RNG: CPU", "")
    reasons = judge(before, far, older, SAID, (), Settings().override({"upcast_attn": True})).reasons
    assert "Version: v1.6.0 then, not told now." in reasons
    assert any("RNG: GPU" in reason for reason in reasons)
    assert any(reason.startswith("Settings that pictures do not tell") for reason in reasons)
    assert not any(reason.startswith("Prompt") for reason in reasons)


def test_pictures_of_two_sizes_are_not_comparable(service: GenerationService):
    data = drawn(service)
    with Image.open(io.BytesIO(data)) as image:
        larger = encode(image.resize((32, 16)), image.text["parameters"], Encoding())  # type: ignore[attr-defined]
    found = compared(service, larger)
    assert found.verdict().sentence.startswith("Not comparable: 32 × 16 and 16 × 8")  # type: ignore[union-attr]
    assert found.picture("difference").size == (32, 16)


def test_a_task_that_fails_says_so_in_place_of_a_verdict(service: GenerationService):
    found = compared(service, encode(Image.new("RGB", (16, 8)), SAID.replace("a cat", "refuse"), Encoding()))
    assert told(found)["verdict"]["sentence"]  # type: ignore[index]
    with pytest.raises(NotFound):
        found.picture("after")


def test_the_last_few_are_remembered_and_no_others(service: GenerationService):
    comparisons, data = Comparisons(service), encode(Image.new("RGB", (16, 8)), "", Encoding())
    first, *others = [comparisons.begin(data) for _ in range(REMEMBERED + 1)]
    assert all(comparisons.get(other.id) is other for other in others)
    with pytest.raises(NotFound):
        comparisons.get(first.id)
    with pytest.raises(WebUIError, match="no picture"):
        comparisons.begin(b"text")
