import json
import logging
import threading
from pathlib import Path

import pytest

from backend.errors import NotFound, WebUIError
from backend.setting_table import KNOWN_ELSEWHERE, SETTINGS
from backend.settings import Settings, SettingsStore


def test_without_a_file_the_defaults_hold(tmp_path: Path):
    current = SettingsStore(tmp_path / "config.json").current
    assert current == Settings()
    assert (current["samples_format"], current["CLIP_stop_at_last_layers"], current["interrupt_after_current"]) == ("png", 1, True)
    assert not (tmp_path / "config.json").exists()


def test_every_default_is_one_that_its_setting_takes():
    assert Settings().override(Settings().as_dict()) == Settings()


def test_no_key_is_in_both_tables():
    assert not SETTINGS.keys() & KNOWN_ELSEWHERE.keys()


def test_each_setting_has_label_and_section():
    assert all(setting.label and setting.section and setting.key == key for key, setting in SETTINGS.items())


def test_as_dict_is_json_and_comes_back_equal():
    settings = Settings().override({"infotext_skip_pasting": ["Size", "Seed"], "quicksettings_list": ["sd_vae"]})
    assert Settings().override(json.loads(json.dumps(settings.as_dict()))) == settings


def test_override_leaves_the_snapshot_alone():
    before = Settings()
    after = before.override({"tiling": True})
    assert (before["tiling"], after["tiling"]) == (False, True)


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    [
        ("tiling", "True", True),
        ("tiling", 0, False),
        ("CLIP_stop_at_last_layers", "2", 2),
        ("CLIP_stop_at_last_layers", 2.0, 2),
        ("eta_ancestral", "0.70", 0.7),
        ("sd_model_checkpoint", None, ""),
        ("s_noise", 1.3, 1.3),
        ("infotext_skip_pasting", ["Size"], ("Size",)),
        ("hide_samplers", ["Euler"], ("Euler",)),
    ],
)
def test_values_are_converted_to_their_settings_type(key: str, given: object, kept: object):
    assert Settings().override({key: given})[key] == kept


def test_a_number_keeps_the_form_it_was_given_in():
    assert [str(Settings().override({"rho": value})["rho"]) for value in (5, 5.0, "5", "5.0")] == ["5", "5.0", "5", "5.0"]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("randn_source", "GPUs", "'GPU', 'CPU', 'NV'"),
        ("CLIP_stop_at_last_layers", 0, "from 1 to 12"),
        ("CLIP_stop_at_last_layers", True, "a whole number"),
        ("CLIP_stop_at_last_layers", 1.5, "a whole number"),
        ("tiling", "perhaps", "true or false"),
        ("rho", float("nan"), "a number"),
        ("rho", "many", "a number"),
        ("eta_noise_seed_delta", float("inf"), "a whole number"),
        ("samples_filename_pattern", 3, "text"),
        ("infotext_skip_pasting", "Size", "a list"),
    ],
)
def test_a_wrong_value_is_refused_with_key_value_and_choices(key: str, value: object, told: str):
    with pytest.raises(WebUIError) as error:
        Settings().override({key: value})
    assert key in str(error.value) and repr(value) in str(error.value) and told in str(error.value)


def test_an_unknown_key_is_refused_by_name():
    with pytest.raises(NotFound, match="nosuch"):
        Settings().override({"nosuch": 1})


def test_updates_are_there_after_a_restart(tmp_path: Path):
    SettingsStore(tmp_path / "config.json").update({"samples_format": "jpg", "gallery_height": "90%"})
    current = SettingsStore(tmp_path / "config.json").current
    assert (current["samples_format"], current["gallery_height"]) == ("jpg", "90%")
    assert [file.name for file in tmp_path.iterdir()] == ["config.json"]


def test_an_update_with_one_wrong_value_changes_nothing(tmp_path: Path):
    store = SettingsStore(tmp_path / "config.json")
    with pytest.raises(WebUIError):
        store.update({"samples_format": "jpg", "randn_source": "?"})
    assert store.current == Settings()
    assert not (tmp_path / "config.json").exists()


def test_keys_of_others_stay_in_the_file(tmp_path: Path):
    file = tmp_path / "config.json"
    file.write_text('{"control_net_unit_count": 3, "tiling": true}')
    store = SettingsStore(file)
    store.update({"samples_save": False})
    assert store.current["tiling"] is True
    assert json.loads(file.read_text()) == {"control_net_unit_count": 3, "tiling": True, "samples_save": False}


def test_a_wrong_value_in_the_file_is_told_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    file = tmp_path / "config.json"
    file.write_text('{"randn_source": "TPU", "tiling": true}')
    store = SettingsStore(file)
    assert (store.current["randn_source"], store.current["tiling"]) == ("GPU", True)
    assert "TPU" in caplog.text
    store.update({"samples_save": False})
    assert json.loads(file.read_text())["randn_source"] == "TPU"


@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_a_broken_file_is_set_aside_not_lost(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture):
    file, content = tmp_path / "config.json", text.encode("latin-1")
    file.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        assert SettingsStore(file).current == Settings()
    assert (tmp_path / "config.broken.json").read_bytes() == content
    assert "config.broken.json" in caplog.text
    file.write_bytes(content)
    SettingsStore(file)
    assert (tmp_path / "config.broken-2.json").read_bytes() == content


def test_many_threads_lose_no_update(tmp_path: Path):
    store, keys = SettingsStore(tmp_path / "config.json"), [key for key, setting in SETTINGS.items() if setting.default is False]
    threads = [threading.Thread(target=store.update, args=({key: True},)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(SettingsStore(tmp_path / "config.json").current[key] for key in keys)


def test_a_file_that_cannot_be_written_is_told_and_nothing_changes(tmp_path: Path):
    store = SettingsStore(tmp_path / "settings" / "config.json")
    (tmp_path / "settings").touch()
    with pytest.raises(WebUIError, match="cannot be written"):
        store.update({"tiling": True})
    assert store.current["tiling"] is False
