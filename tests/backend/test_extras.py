from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from backend.extras_request import ExtrasImage, ExtrasRequest
from backend.service import GenerationService
from tests.backend.stage import ask, open_service
from tests.backend.test_service import stepping

PATIENCE = 30
LANCZOS = {"Upscale": {"upscaler_1_name": "Lanczos"}}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    service = open_service(tmp_path)
    yield service
    service.close()


def picture(color: tuple[int, int, int] = (9, 9, 9), name: str = "", **info: str) -> ExtrasImage:
    image = Image.new("RGB", (16, 8), color)
    image.info.update(info)
    return ExtrasImage(image=image, name=name)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


def test_a_picture_is_saved_with_the_parameters_that_it_had_and_what_was_done(service: GenerationService, tmp_path: Path):
    task = service.submit_extras(ExtrasRequest(images=(picture(parameters="a cat\nSteps: 1"),), steps=LANCZOS)).wait(PATIENCE)
    assert (task.state, task.error, task.progress) == ("done", None, 1.0)
    (image,) = task.images
    assert image.path is not None and image.path == tmp_path / "outputs/extras-images/00000.png"
    with Image.open(image.path) as file:
        assert file.size == (32, 16)
        assert file.info == {"parameters": "a cat\nSteps: 1", "postprocessing": "Upscale: yes", "extras": "Upscale: yes"}
    assert image.infotext == "a cat\nSteps: 1, Upscale: yes"


def test_a_jpeg_holds_both_in_one_text(tmp_path: Path):
    service = open_service(tmp_path, samples_format="jpg")
    task = service.submit_extras(ExtrasRequest(images=(picture(parameters="a cat\nSteps: 1"),), steps=LANCZOS)).wait(PATIENCE)
    service.close()
    assert task.images[0].path
    with Image.open(task.images[0].path) as file:
        assert b"S\0t\0e\0p\0s\0:\0 \0001\0,\0 \0U" in file.getexif().get_ifd(34665)[37510]


def test_files_keep_their_names_and_none_is_replaced(service: GenerationService, tmp_path: Path):
    request = ExtrasRequest(images=(picture(name="cat.jpg"), picture(name="../../dog.png"), picture()), steps=LANCZOS)
    for _ in range(2):
        service.submit_extras(request).wait(PATIENCE)
    names = ("00000", "00001", "cat-1", "cat", "dog-1", "dog")
    assert files(tmp_path / "outputs") == [f"extras-images/{name}.png" for name in names]


def test_a_folder_is_worked_through_in_natural_order_past_what_is_no_picture(service: GenerationService, tmp_path: Path):
    source = tmp_path / "in"
    source.mkdir()
    for name in ("p10.png", "p2.png"):
        Image.new("RGB", (16, 8), (int(name[1:-4]), 0, 0)).save(source / name)
    (source / "p1.png").write_bytes(b"no picture")
    (source / "notes.txt").touch()
    task = service.submit_extras(ExtrasRequest(input_folder="in", output_folder=str(tmp_path / "out"), steps=LANCZOS)).wait(PATIENCE)
    assert [image.image.getpixel((0, 0)) for image in task.images] == [(2, 0, 0), (10, 0, 0)]
    assert files(tmp_path / "out") == ["p10.png", "p2.png"]
    assert task.comments == ("p1.png is no picture that can be read.",)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (ExtrasRequest(), "There is no picture"),
        (ExtrasRequest(input_folder="/etc"), "The folder /etc may not be used"),
        (ExtrasRequest(input_folder="../.."), "may not be used"),
        (ExtrasRequest(input_folder="nowhere"), "cannot be read"),
        (ExtrasRequest(input_folder="models"), "no pictures in"),
        (ExtrasRequest(images=(picture(),), output_folder="/tmp/elsewhere"), "may not be used"),
        (ExtrasRequest(images=(picture(),), steps={"Nope": {}}), "Unknown step 'Nope'. Known: Denoise"),
        (ExtrasRequest(images=(picture(),), steps={"Upscale": {"nope": 1}}), "no option 'nope'"),
        (ExtrasRequest(images=(picture(),), steps={"Upscale": {"upscale_by": "many"}}), "Resize cannot be 'many'"),
        (ExtrasRequest(images=(picture(),), steps={"Upscale": {"upscale_by": float("nan")}}), "Resize cannot be nan"),
    ],
)
def test_what_cannot_be_done_is_said(service: GenerationService, request_: ExtrasRequest, sentence: str):
    task = service.submit_extras(request_).wait(PATIENCE)
    assert task.state == "failed"
    assert sentence in (task.error or "")


def test_a_link_out_of_the_data_folder_is_no_way_out(service: GenerationService, tmp_path: Path):
    (tmp_path / "link").symlink_to("/etc")
    assert "may not be used" in (service.submit_extras(ExtrasRequest(input_folder="link")).wait(PATIENCE).error or "")


def test_an_interrupted_task_keeps_what_is_done(service: GenerationService):
    task = service.submit_extras(ExtrasRequest(images=(picture(), picture((1, 2, 3)), picture()), steps=LANCZOS))
    stepping(task)
    while task.batch == 0:
        task.wait(0.01)
    service.interrupt()
    assert (task.wait(PATIENCE).state, len(task.images)) == ("interrupted", 1)


def test_extras_wait_in_the_same_queue(service: GenerationService):
    first = service.submit(ask("hang"))
    second = service.submit_extras(ExtrasRequest(images=(picture(),), steps=LANCZOS))
    assert service.queue_position(second) == 1
    service.interrupt(first.id)
    assert second.wait(PATIENCE).state == "done"
