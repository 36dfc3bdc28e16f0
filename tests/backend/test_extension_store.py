import json
import os
from pathlib import Path

import pytest

from backend.errors import NotFound, WebUIError
from backend.extension_store import ExtensionStore
from backend.extensions import find_extensions, load_extensions
from backend.flags import parse_flags
from backend.settings import SettingsStore
from tests.backend.extension_files import paths_of, write_extension
from tests.backend.repositories import commit, git, head, repository

CODE = "VERSION = {}\n"


@pytest.fixture
def store(tmp_path: Path) -> ExtensionStore:
    paths = paths_of(tmp_path / "data")
    paths.ensure()
    settings = SettingsStore(paths.config_file)
    hooks = load_extensions(find_extensions(paths, settings.current, parse_flags([])))
    return ExtensionStore(paths, settings, parse_flags([]), hooks)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return repository(tmp_path / "origin", extension=CODE.format(1))


def extensions(tmp_path: Path) -> list[str]:
    return sorted(os.listdir(tmp_path / "data/extensions"))


def test_one_is_cloned_with_its_commit_and_can_be_updated(store: ExtensionStore, origin: Path, tmp_path: Path):
    assert store.install(str(origin), name="mine") == "mine"
    (row,) = store.rows()
    assert (row.name, row.remote, row.branch, row.commit, row.removable, row.loaded) == ("mine", str(origin), "main", head(origin), True, False)
    assert store.check() == {"mine": "latest"}
    commit(origin, extension=CODE.format(2))
    (tmp_path / "data/extensions/mine/extension.py").write_text("changed here", "utf-8")
    assert store.check() == {"mine": "1 new commit"}
    assert store.update("mine") == head(origin)
    assert (tmp_path / "data/extensions/mine/extension.py").read_text("utf-8") == CODE.format(2)


def test_a_branch_is_cloned_where_one_is_named(store: ExtensionStore, origin: Path):
    git(origin, "checkout", "-q", "-b", "dev")
    commit(origin, extension=CODE.format(3))
    git(origin, "checkout", "-q", "main")
    store.install(str(origin), branch="dev")
    (row,) = store.rows()
    assert (row.name, row.branch) == ("origin", "dev")


def test_a_plain_folder_is_copied_and_cannot_be_updated(store: ExtensionStore, tmp_path: Path):
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/extension.py").write_text(CODE.format(1), "utf-8")
    store.install(str(tmp_path / "plain"))
    assert extensions(tmp_path) == ["plain"]
    with pytest.raises(WebUIError, match="nothing to update it from"):
        store.update("plain")


@pytest.mark.parametrize(
    ("source", "name", "words"),
    [
        ("nosuch", "", "neither a git address"),
        ("", "", "neither a git address"),
        ("--upload-pack=touch evil", "", "neither a git address"),
        ("ext::sh -c touch%20evil", "", "neither a git address"),
        ("file:///etc", "", "neither a git address"),
        ("{origin}", "..", "cannot be the name"),
        ("{origin}", "a/b", "cannot be the name"),
        ("{origin}", ".git", "cannot be the name"),
        ("{origin}", "-x", "cannot be the name"),
        ("{origin}", "taken", "already"),
        ("{origin}", "TAKEN", "already"),
        ("{empty}", "", "This is no extension"),
        ("https://127.0.0.1:9/nosuch.git", "", "git: "),
    ],
)
def test_what_cannot_be_installed_is_refused_and_leaves_nothing_behind(store: ExtensionStore, origin: Path, tmp_path: Path, source: str, name: str, words: str):
    (tmp_path / "empty").mkdir()
    write_extension(tmp_path / "data", "taken", "")
    with pytest.raises(WebUIError, match=words):
        store.install(source.format(origin=origin, empty=tmp_path / "empty"), name=name)
    assert extensions(tmp_path) == ["taken"]
    assert not (tmp_path / "evil").exists() and not Path("evil").exists()


def test_a_branch_that_is_an_option_is_refused(store: ExtensionStore, origin: Path, tmp_path: Path):
    with pytest.raises(WebUIError, match="no name of a branch"):
        store.install(str(origin), branch="--upload-pack=x")
    assert extensions(tmp_path) == []


def test_one_that_is_removed_is_gone_with_its_switch(store: ExtensionStore, origin: Path, tmp_path: Path):
    store.install(str(origin), name="mine")
    store.switch(["mine"], "none")
    store.remove("mine")
    assert (extensions(tmp_path), store.rows()) == ([], [])
    assert json.loads((tmp_path / "data/config.json").read_text("utf-8"))["disabled_extensions"] == []
    assert (origin / "extension.py").is_file()


def test_a_link_is_removed_and_what_it_points_to_is_not(store: ExtensionStore, origin: Path, tmp_path: Path):
    (tmp_path / "data/extensions/linked").symlink_to(origin)
    store.remove("linked")
    assert (extensions(tmp_path), (origin / "extension.py").is_file()) == ([], True)


@pytest.mark.parametrize("name", ["nosuch", "..", "../outputs", ""])
def test_nothing_but_what_is_listed_is_removed_or_updated(store: ExtensionStore, tmp_path: Path, name: str):
    for act in (store.remove, store.update):
        with pytest.raises(NotFound):
            act(name)
    assert (tmp_path / "data/outputs").is_dir()


def test_an_update_that_fails_leaves_it_as_it_was(store: ExtensionStore, origin: Path):
    store.install(str(origin), name="mine")
    before = store.rows()[0].commit
    origin.rename(origin.with_name("gone"))
    with pytest.raises(WebUIError, match="git: "):
        store.update("mine")
    assert store.rows()[0].commit == before
    assert "git: " in store.check()["mine"]


def test_switches_hold_and_unknown_names_are_refused(store: ExtensionStore, origin: Path):
    store.install(str(origin), name="mine")
    store.switch(["mine"], "none")
    assert [row.enabled for row in store.rows()] == [False]
    store.switch([], "all")
    assert [row.enabled for row in store.rows()] == [False]
    with pytest.raises(NotFound, match="nosuch"):
        store.switch(["nosuch"], "none")


def test_a_saved_set_brings_back_commits_and_switches_and_says_what_is_missing(store: ExtensionStore, origin: Path, tmp_path: Path):
    first = head(origin)
    store.install(str(origin), name="mine")
    store.install(str(origin), name="other")
    store.switch(["mine"], "none")
    store.save("Before <it> / all")
    commit(origin, extension=CODE.format(2))
    store.update("mine")
    store.switch([], "none")
    store.remove("other")
    (state,) = store.states()
    assert state["name"] == "Before <it> / all"
    assert store.restore(state["file"]) == [f"other is not installed (it came from {origin})."]
    (row,) = store.rows()
    assert (row.commit, row.enabled) == (first, False)


def test_a_saved_set_that_cannot_be_read_is_passed_over(store: ExtensionStore, tmp_path: Path):
    (tmp_path / "data/config_states").mkdir()
    (tmp_path / "data/config_states/a.json").write_text("{", "utf-8")
    assert store.states() == []
    for name in ("a.json", "../config.json"):
        with pytest.raises(NotFound):
            store.restore(name)
