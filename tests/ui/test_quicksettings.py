import pytest

from tests.ui.fake_service import FakeService
from ui import quicksettings


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ("128x128", (128, 128)),
        ("1024x1024", (1024, 1024)),
        (" 768 X 512 ", (768, 512)),
        ("99999x3", (2048, 64)),
        ("517x515", (512, 512)),
        ("big", (512, 512)),
        ("", (512, 512)),
    ],
)
def test_the_native_size_is_what_the_file_says_as_far_as_the_sliders_go(service: FakeService, written: str, size: tuple[int, int]) -> None:
    entry = service.catalog.add("checkpoint", "x.safetensors", {"modelspec.resolution": written})
    assert quicksettings.native_size(entry) == size  # type: ignore[arg-type]


def test_without_a_checkpoint_the_size_is_512() -> None:
    assert quicksettings.native_size(None) == (512, 512)


def test_the_checkpoint_of_the_settings_is_selected_and_else_the_first(service: FakeService) -> None:
    def selected() -> str:
        entry = quicksettings.selected(service)  # type: ignore[arg-type]
        assert entry is not None
        return entry.name

    assert selected() == "demo.safetensors"
    service.settings.update({"sd_model_checkpoint": "other.safetensors [0000000000]"})
    assert selected() == "other.safetensors"
    service.settings.update({"sd_model_checkpoint": "gone.safetensors"})
    assert selected() == "demo.safetensors"


@pytest.mark.parametrize("sidecar", ['{"example prompts": "one"}', '{"example prompts": [1, "", " "]}', "{}", "[]", "broken"])
def test_a_sidecar_with_anything_else_has_no_examples(service: FakeService, sidecar: str) -> None:
    entry = service.catalog.add("checkpoint", "x.safetensors", sidecar=sidecar)
    assert quicksettings.examples(entry) == []  # type: ignore[arg-type]
