"""Extensions made for A1111 among the others: listed, switched, updated and removed like them, told what was refused, and set up on a person's word."""

import importlib
from pathlib import Path

import pytest

from backend.errors import WebUIError
from backend.extension_store import ExtensionStore, Row, update_all
from backend.extensions import find_extensions
from backend.flags import parse_flags
from backend.plugins import Hooks
from backend.settings import SettingsStore
from tests.backend.extension_files import paths_of
from tests.backend.repositories import commit, head, repository
from tests.extensions.a1111_scripts.carried import write

FINE = "from modules import scripts\nclass Fine(scripts.Script):\n    def title(self):\n        return 'Fine'\n"


def store_of(folder: Path, *given: str, on: bool = True, disabled: tuple[str, ...] = ()) -> ExtensionStore:
    plugin = importlib.import_module("extensions.a1111_scripts.extension")
    paths, flags = paths_of(folder), parse_flags(given)
    settings = SettingsStore(paths.config_file)
    settings.update({"a1111_scripts": on, "disabled_extensions": disabled})
    hooks = Hooks(find_extensions(paths, settings.current, flags), {"a1111_scripts": plugin}, paths=paths, flags=flags, settings=settings.current)
    return ExtensionStore(paths, settings, flags, hooks)


def row(store: ExtensionStore, name: str) -> Row:
    return next(row for row in store.rows() if row.name == name)


def test_each_is_a_row_with_what_was_refused_of_it(tmp_path: Path):
    write(tmp_path, "strange", strange="import networks\n")
    write(tmp_path, "fine", fine=FINE)
    store = store_of(tmp_path)
    strange, fine = row(store, "strange"), row(store, "fine")
    assert (strange.for_a1111, strange.carried, strange.removable, strange.loaded, fine.loaded, fine.errors) == (True, True, True, False, True, ())
    (error,) = strange.errors
    assert "strange needs networks (scripts/strange.py, line 1), which is not there. LoRA is built in" in error


def test_with_the_adapter_off_they_are_listed_and_nothing_of_them_runs(tmp_path: Path):
    write(tmp_path, "fine", fine="raise SystemExit", install_py="raise SystemExit")
    store = store_of(tmp_path, on=False)
    fine = row(store, "fine")
    assert (fine.carried, fine.loaded, fine.installer, fine.errors) == (False, False, False, ())
    with pytest.raises(WebUIError, match="switched off"):
        store.set_up("fine")


def test_one_that_is_switched_off_is_not_looked_at(tmp_path: Path):
    write(tmp_path, "bad", bad="import networks\n")
    write(tmp_path, "fine", fine=FINE)
    store = store_of(tmp_path, disabled=("bad",))
    assert (row(store, "bad").enabled, row(store, "bad").errors, row(store, "fine").loaded) == (False, (), True)
    store.switch(["fine"], "none")
    assert (row(store, "bad").enabled, row(store, "fine").enabled) == (True, False)
    assert store_of(tmp_path, "--disable-extra-extensions").rows()[0].loaded is False


def test_one_is_installed_updated_and_removed(tmp_path: Path):
    origin = repository(tmp_path / "origin", preload="")
    (tmp_path / "data/extensions").mkdir(parents=True)
    store = store_of(tmp_path / "data")
    store.install(str(origin), name="flagged")
    assert (row(store, "flagged").commit, row(store, "flagged").loaded) == (head(origin), False)
    commit(origin, preload="# newer")
    assert store.update("flagged") == head(origin)
    store.remove("flagged")
    assert store.rows() == []


def test_all_that_were_cloned_are_updated_and_one_that_cannot_be_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    origin, gone = repository(tmp_path / "origin", extension="A = 1\n"), repository(tmp_path / "gone", extension="A = 1\n")
    store = store_of(tmp_path / "data")
    (tmp_path / "data/extensions").mkdir(parents=True, exist_ok=True)
    store.install(str(origin), name="one")
    store.install(str(gone), name="two")
    commit(origin, extension="A = 2\n")
    gone.rename(tmp_path / "elsewhere")
    update_all(paths_of(tmp_path / "data"))
    assert row(store, "one").commit == head(origin)
    assert "The extension two cannot be updated" in caplog.text


INSTALL = """
import os
import launch
from modules import launch_utils
assert launch.is_installed("pillow") and launch.is_installed("json") and not launch.is_installed("nosuchpackage")
assert launch_utils.run is launch.run and launch.requirements_met(os.path.join(os.path.dirname(__file__), "requirements.txt"))
launch.run("echo made", "Making")
open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "made.txt"), "w").close()
"""


def test_install_py_runs_on_a_persons_word_alone(tmp_path: Path):
    folder = write(tmp_path, "needy", needy=FINE, install_py=INSTALL)
    (folder / "requirements.txt").write_text("pillow\n# nothing\n", "utf-8")
    store = store_of(tmp_path)
    assert row(store, "needy").installer and not (folder / "made.txt").exists()
    assert store.set_up("needy").splitlines() == ["Making", "made"]
    assert (folder / "made.txt").exists()


def test_an_install_py_that_fails_tells_its_words(tmp_path: Path):
    write(tmp_path, "needy", needy=FINE, install_py="import launch\nlaunch.run('exit 3', errdesc='Nothing came')\n")
    with pytest.raises(WebUIError, match=r"(?s)install.py of needy failed \(exit status 1\).*Nothing came: exit 3"):
        store_of(tmp_path).set_up("needy")


def test_skip_install_runs_none(tmp_path: Path):
    write(tmp_path, "needy", needy=FINE, install_py="")
    store = store_of(tmp_path, "--skip-install")
    assert not row(store, "needy").installer
    with pytest.raises(WebUIError, match="--skip-install"):
        store.set_up("needy")
