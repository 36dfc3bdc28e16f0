from pathlib import Path

import pytest

from backend.errors import Forbidden
from backend.flags import parse_flags
from backend.frozen import SECTION_KEYS, frozen_settings
from backend.setting_table import SETTINGS
from backend.settings import SettingsStore


def frozen(*argv: str) -> set[str]:
    return set(frozen_settings(parse_flags(argv)))


def test_every_section_has_the_name_that_a1111s_flag_calls_it():
    assert {setting.section for setting in SETTINGS.values()} <= set(SECTION_KEYS)


def test_settings_are_frozen_all_by_section_or_by_key():
    assert frozen() == set()
    assert set(SETTINGS) <= frozen("--freeze-settings")
    assert frozen("--freeze-settings-in-sections", "vae, img2img") == {key for key, one in SETTINGS.items() if one.section in ("VAE", "img2img")}
    assert frozen("--freeze-specific-settings", "samples_save,nothing") == {"samples_save"}


def test_a_frozen_setting_keeps_its_value_and_the_rest_of_the_change_is_not_made(tmp_path: Path):
    store = SettingsStore(tmp_path / "config.json", frozen_settings(parse_flags(["--freeze-specific-settings", "samples_save"])))
    with pytest.raises(Forbidden, match="samples_save cannot be changed: the program was started with --freeze-specific-settings"):
        store.update({"grid_save": False, "samples_save": False})
    assert (store.current["samples_save"], store.current["grid_save"]) == (True, True)
    store.update({"samples_save": True, "grid_save": False})  # a client that sends all of them
    assert store.current["grid_save"] is False
