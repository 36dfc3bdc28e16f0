import random
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from backend.fields import to_request
from backend.flags import parse_flags
from backend.images.metadata import FORMATS, read_infotext
from backend.paths import Paths
from backend.plan import Plan, plan
from backend.prompts.styles import StyleTable
from backend.saving import make_grid, save_grid, save_sample
from backend.settings import Settings
from tests.backend.fake_catalog import golden_catalog

PICTURE = Image.new("RGB", (64, 32), "red")
STARTED = datetime(2026, 3, 4, 5, 6, 7)
TODAY = r"\d{4}-\d\d-\d\d"


def planned(settings: dict[str, Any], **asked: Any) -> Plan:
    request = to_request({"prompt": "a cat <lora:lora:1>", "seed": 1234} | asked)
    return plan(request, Settings().override(settings), golden_catalog(), StyleTable(), draw=random.Random(0))


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.from_flags(parse_flags([]), tmp_path)


def sample(paths: Paths, settings: dict[str, Any] | None = None, index: int = 0, image: Image.Image = PICTURE, **asked: Any) -> Path:
    return save_sample(planned(settings or {}, **asked), index, image, "a cat\nSteps: 8", paths, STARTED)


def relative(path: Path, paths: Paths) -> str:
    return path.relative_to(paths.data).as_posix()


def test_pictures_lie_where_a1111_puts_them(paths: Paths):
    found = [relative(sample(paths, index=index, batch_size=2), paths) for index in (0, 1)]
    assert re.fullmatch(rf"outputs/txt2img-images/{TODAY}/00000-1234.png", found[0])
    assert re.fullmatch(rf"outputs/txt2img-images/{TODAY}/00001-1235.png", found[1])


def test_grids_lie_beside_them(paths: Paths):
    assert re.fullmatch(rf"outputs/txt2img-grids/{TODAY}/grid-0000.png", relative(save_grid(planned({}), PICTURE, "", paths, STARTED), paths))
    extended = save_grid(planned({"grid_extended_filename": True}), PICTURE, "", paths, STARTED)
    assert extended.name == "grid-0001-1234-a cat.png"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"save_to_dirs": False}, "outputs/txt2img-images/00000-1234-a cat.png"),
        ({"save_to_dirs": False, "samples_filename_pattern": "[none]"}, "outputs/txt2img-images/00000.png"),
        ({"save_to_dirs": False, "samples_filename_pattern": "[job_timestamp]"}, "outputs/txt2img-images/00000-20260304050607.png"),
        ({"save_to_dirs": False, "save_images_add_number": False, "samples_filename_pattern": "[seed]"}, "outputs/txt2img-images/1234.png"),
        ({"outdir_samples": "all", "directories_filename_pattern": "[model_name]/[sampler]"}, "all/tiny-sd1/DPM++ 2M/00000-1234.png"),
        ({"directories_filename_pattern": "../../x", "samples_format": "webp"}, "outputs/txt2img-images/x/00000-1234.webp"),
        ({"directories_filename_pattern": ""}, "outputs/txt2img-images/a cat/00000-1234.png"),
    ],
)
def test_settings_choose_folder_and_name(paths: Paths, settings: dict[str, Any], expected: str):
    assert relative(sample(paths, settings), paths) == expected


def test_a_prompt_leads_nowhere(paths: Paths):
    path = sample(paths, {"save_to_dirs": True, "directories_filename_pattern": "[prompt]", "samples_filename_pattern": "[prompt]"}, prompt="../../../x")
    assert relative(path, paths).startswith("outputs/txt2img-images/")


def test_an_absolute_folder_is_taken_as_it_is(paths: Paths, tmp_path: Path):
    assert sample(paths, {"outdir_txt2img_samples": str(tmp_path / "elsewhere"), "save_to_dirs": False}).parent == tmp_path / "elsewhere"


def test_the_infotext_is_in_the_file_unless_the_setting_says_otherwise(paths: Paths):
    assert read_infotext(sample(paths).read_bytes()) == "a cat\nSteps: 8"
    assert read_infotext(sample(paths, {"enable_pnginfo": False}).read_bytes()) == ""


def test_a_text_file_beside_it_if_wanted(paths: Paths):
    path = sample(paths, {"save_txt": True})
    assert path.with_suffix(".txt").read_text("utf-8") == "a cat\nSteps: 8\n"


def test_a_big_picture_gets_a_smaller_jpeg_beside_it(paths: Paths):
    path = sample(paths, {"target_side_length": 48})
    with Image.open(path.with_suffix(".jpg")) as copy, Image.open(path) as original:
        assert (copy.size, original.size) == ((48, 24), (64, 32))
    assert read_infotext(path.with_suffix(".jpg").read_bytes()) == "a cat\nSteps: 8"


def test_a_big_file_gets_a_jpeg_of_the_same_size(paths: Paths):
    path = sample(paths, {"img_downscale_threshold": 0.001}, image=Image.effect_noise((64, 64), 90))
    with Image.open(path.with_suffix(".jpg")) as copy:
        assert copy.size == (64, 64)
    jpeg = sample(paths, {"img_downscale_threshold": 0.001, "samples_format": "jpg"}, image=Image.effect_noise((64, 64), 90))
    assert [file.name for file in jpeg.parent.glob(f"{jpeg.stem}*")] == [jpeg.name]


def test_no_copy_where_none_is_wanted(paths: Paths):
    path = sample(paths, {"target_side_length": 48, "export_for_4chan": False})
    assert not path.with_suffix(".jpg").exists()


def test_a_grid_is_made_of_several_pictures_only_unless_wanted(paths: Paths):
    assert make_grid(planned({}), [PICTURE]) is None
    assert make_grid(planned({"return_grid": False, "grid_save": False}), [PICTURE] * 2) is None
    single, four, row = (
        make_grid(planned(settings), [PICTURE] * count) for settings, count in (({"grid_only_if_multiple": False}, 1), ({}, 4), ({"n_rows": 1}, 4))
    )
    assert single and four and row
    assert (single.size, four.size, row.size) == ((64, 32), (128, 64), (256, 32))


@pytest.mark.parametrize("format", FORMATS)
def test_pictures_grids_and_copies_of_every_format_tell_their_parameters(paths: Paths, format: str):
    settings = {"samples_format": format, "grid_format": format, "target_side_length": 48, "save_txt": True}
    picture, grid = sample(paths, settings), save_grid(planned(settings), PICTURE, "a grid\nSteps: 8", paths, STARTED)
    assert {file.suffix for file in (picture, grid)} == {f".{format}"}
    assert (read_infotext(picture.read_bytes()), read_infotext(grid.read_bytes())) == ("a cat\nSteps: 8", "a grid\nSteps: 8")
    for path in (picture, grid):
        assert path.with_suffix(".txt").exists()
        with Image.open(path) as image:
            assert image.format == FORMATS[format]
        (copy,) = (file for file in path.parent.glob(f"{path.stem}*.jpg") if file != path)
        with Image.open(copy) as image:
            assert image.size == (48, 24)


@pytest.mark.parametrize("format", ["jpg", "webp", "avif"])
def test_less_quality_makes_smaller_files(paths: Paths, format: str):
    noise = Image.effect_noise((64, 64), 90).convert("RGB")
    sizes = [sample(paths, {"samples_format": format, "jpeg_quality": quality}, image=noise).stat().st_size for quality in (95, 20)]
    assert sizes[1] < sizes[0]
