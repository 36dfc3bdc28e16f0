import pytest

from backend.errors import NotFound
from backend.job import Tiling
from backend.plan_upscalers import upscaler, upscalers
from backend.settings import Settings
from tests.backend.fake_catalog import FakeCatalog, entry

CATALOG = FakeCatalog(
    [entry("upscaler", "RealESRGAN_x4plus.pth", "a" * 64), entry("upscaler", "sharp/4x-Sharp.safetensors", "b" * 64), entry("upscaler", "DAT_x2.pth", "c" * 64)]
)


def test_names_come_in_a1111s_order_and_words():
    assert tuple(upscalers(CATALOG)) == ("None", "Lanczos", "Nearest", "4x-Sharp", "DAT x2", "R-ESRGAN 4x+")


@pytest.mark.parametrize("name", ["R-ESRGAN 4x+", "RealESRGAN_x4plus", "RealESRGAN_x4plus.pth", "aaaaaaaaaa"])
def test_a_model_is_found_by_a1111s_name_and_by_its_file(name: str):
    found = upscaler(name, CATALOG, Settings())
    assert found.file is not None
    assert (found.name, found.file.name, found.file.hash) == ("R-ESRGAN 4x+", "RealESRGAN_x4plus.pth", "a" * 64)


def test_what_needs_no_model_has_no_file_and_nothing_is_none():
    assert [(found.name, found.file) for name in ("None", "Lanczos", "Nearest", "") for found in [upscaler(name, FakeCatalog([]), Settings())]] == [
        ("None", None), ("Lanczos", None), ("Nearest", None), ("None", None)
    ]  # fmt: skip


def test_tilings_are_those_of_the_settings():
    settings = Settings().override({"DAT_tile": 64, "ESRGAN_tile_overlap": 16})
    tilings = upscaler("4x-Sharp", CATALOG, settings).tilings
    assert (tilings[""], tilings["DAT"], tilings["SCUNet"]) == (Tiling(size=192, overlap=16), Tiling(size=64, overlap=8), Tiling(size=256, overlap=8))


def test_an_unknown_name_is_answered_with_those_that_are_there():
    with pytest.raises(NotFound, match=r"Unknown upscaler 'NoSuch'\. Known: None, Lanczos, Nearest, 4x-Sharp"):
        upscaler("NoSuch", CATALOG, Settings())


def test_a_name_of_a1111s_tells_which_file_is_missing():
    with pytest.raises(NotFound, match=r"the file realesr-animevideov3\.pth, to be put into models/ESRGAN"):
        upscaler("R-ESRGAN AnimeVideo", CATALOG, Settings())
