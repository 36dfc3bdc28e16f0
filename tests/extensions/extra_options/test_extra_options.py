from pathlib import Path

from backend.controls import complete
from backend.request import GenerationRequest
from backend.scripts import PartContext
from backend.settings import Settings
from extensions.extra_options.extension import ExtraOptions, settings
from tests.backend.extension_files import paths_of
from tests.backend.planned import CATALOG

PART = ExtraOptions()
SETTINGS = Settings({setting.key: setting for setting in settings()}).override(
    {"extra_options_txt2img": ("CLIP_stop_at_last_layers", "emphasis", "sd_vae", "nosuch"), "CLIP_stop_at_last_layers": 2}
)


def changed(tmp_path: Path, values: dict, **overrides: object) -> dict:
    context = PartContext(settings=SETTINGS, catalog=CATALOG, paths=paths_of(tmp_path), tab="txt2img", task_id="1")
    return dict(PART.change_request(GenerationRequest(override_settings=overrides), values, context).override_settings)


def test_there_is_a_control_for_each_setting_that_is_named_with_its_value_of_now():
    clip, emphasis, vae = PART.controls("txt2img", CATALOG, SETTINGS)
    assert (clip.kind, clip.label, clip.default, clip.minimum, clip.maximum) == ("slider", "Clip skip", 2, 1, 12)
    assert (emphasis.kind, "No norm" in emphasis.choices) == ("dropdown", True)
    assert vae.choices_of == "vae"


def test_there_is_none_where_none_is_named():
    assert PART.controls("img2img", CATALOG, SETTINGS) == []


def test_what_differs_from_the_settings_holds_for_the_picture(tmp_path: Path):
    values = complete(PART.controls("txt2img", CATALOG, SETTINGS), {"CLIP_stop_at_last_layers": 4}, CATALOG)
    assert changed(tmp_path, values) == {"CLIP_stop_at_last_layers": 4}


def test_what_the_request_overrides_itself_stays(tmp_path: Path):
    assert changed(tmp_path, {"CLIP_stop_at_last_layers": 4}, CLIP_stop_at_last_layers=3) == {"CLIP_stop_at_last_layers": 3}
