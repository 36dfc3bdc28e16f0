from pathlib import Path

import pytest

from backend.extensions import SHIPPED, find_extensions, load_extensions
from backend.flags import parse_flags
from backend.paths import Paths
from backend.settings import Settings
from tests.backend.extension_files import load, write_extension
from tests.backend.planned import CATALOG

SCRIPT = """
from backend.hooks import hookimpl
from backend.scripts import Control

class One:
    title = "{title}"
    tabs = ("txt2img",)
    def controls(self, tab, catalog, settings):
        return [Control(key="n", kind="number", label="N", default=1)]
    def run(self, request, values, session):
        session.draw(request)

@hookimpl
def scripts():
    return [One()]
"""
ROOT = Path(__file__).parents[2]


def titles(hooks, tab: str = "txt2img") -> list[str]:
    return [owned.of.title for owned in hooks.scripts(tab)]


def test_an_extension_is_a_folder_with_an_extension_py(tmp_path: Path):
    write_extension(tmp_path, "mine", SCRIPT.format(title="Mine"), "[Extension]\nName = My own\nVersion = 1.2\n")
    (tmp_path / "extensions/else").mkdir()
    hooks = load(tmp_path)
    (found,) = hooks.extensions
    assert (found.name, found.title, found.version, found.error) == ("mine", "My own", "1.2", "")
    assert (titles(hooks), titles(hooks, "img2img")) == (["Mine"], [])


def test_its_modules_import_one_another(tmp_path: Path):
    code = "from extensions.mine.words import TITLE\n" + SCRIPT.replace('"{title}"', "TITLE")
    write_extension(tmp_path, "mine", code, words='TITLE = "From the other file"')
    assert titles(load(tmp_path)) == ["From the other file"]


def test_one_that_cannot_be_imported_is_named_with_its_error_and_the_others_are_there(tmp_path: Path):
    write_extension(tmp_path, "broken", "import nosuchmodule")
    write_extension(tmp_path, "leaves", "raise SystemExit(3)")
    write_extension(tmp_path, "whole", SCRIPT.format(title="Whole"))
    hooks = load(tmp_path)
    errors = {one.name: one.error for one in hooks.extensions}
    assert "nosuchmodule" in errors["broken"] and "SystemExit" in errors["leaves"] and errors["whole"] == ""
    assert titles(hooks) == ["Whole"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("@hookimpl\ndef nosuch_hook():\n    return []", "nosuch_hook"),
        ("@hookimpl\ndef scripts(nosuch_argument):\n    return []", "nosuch_argument"),
    ],
)
def test_one_that_asks_for_a_hook_or_argument_that_is_not_there_is_named(tmp_path: Path, code: str, words: str):
    write_extension(tmp_path, "asks", f"from backend.hooks import hookimpl\n{code}")
    (found,) = load(tmp_path).extensions
    assert words in found.error


def test_one_that_needs_another_says_which(tmp_path: Path):
    write_extension(tmp_path, "needs", SCRIPT.format(title="A"), "[Extension]\nRequires = other, mine\n")
    write_extension(tmp_path, "mine", SCRIPT.format(title="B"))
    hooks = load(tmp_path)
    assert next(one for one in hooks.extensions if one.name == "needs").error == "It needs the extension other, which is not installed or switched off."
    assert titles(hooks) == ["B"]


def test_a_hook_that_raises_is_a_problem_of_its_extension(tmp_path: Path):
    write_extension(tmp_path, "bad", "from backend.hooks import hookimpl\n@hookimpl\ndef scripts():\n    return 1 / 0")
    write_extension(tmp_path, "good", SCRIPT.format(title="Good"))
    hooks = load(tmp_path)
    assert titles(hooks) == ["Good"]
    (problem,) = hooks.problems
    assert (problem.extension, problem.where) == ("bad", "scripts") and "ZeroDivisionError" in problem.error


def test_of_two_scripts_with_one_title_the_second_is_a_problem(tmp_path: Path):
    write_extension(tmp_path, "a", SCRIPT.format(title="Same"))
    write_extension(tmp_path, "b", SCRIPT.format(title="same"))
    hooks = load(tmp_path)
    assert (titles(hooks), [problem.extension for problem in hooks.problems]) == (["Same"], ["b"])


def test_controls_that_cannot_be_told_are_refused_with_the_extensions_name(tmp_path: Path):
    write_extension(tmp_path, "bad", SCRIPT.format(title="Bad").replace("return [Control", "return [1 / 0, Control"))
    hooks = load(tmp_path)
    with pytest.raises(Exception, match=r"The extension bad failed .the controls of Bad.: ZeroDivisionError"):
        hooks.controls(hooks.script("bad", "txt2img"), "txt2img", CATALOG, Settings())


@pytest.mark.parametrize(
    ("flags", "settings", "left"),
    [
        ([], {}, ["One", "Two"]),
        (["--disable-all-extensions"], {}, []),
        (["--disable-extra-extensions"], {}, []),
        ([], {"disable_all_extensions": "all"}, []),
        ([], {"disable_all_extensions": "extra"}, []),
        ([], {"disabled_extensions": ("one",)}, ["Two"]),
    ],
)
def test_extensions_are_switched_off_by_flags_and_settings(tmp_path: Path, flags: list[str], settings: dict, left: list[str]):
    write_extension(tmp_path, "one", SCRIPT.format(title="One"))
    write_extension(tmp_path, "two", SCRIPT.format(title="Two"))
    hooks = load(tmp_path, *flags, **settings)
    assert titles(hooks) == left
    assert len(hooks.extensions) == 2


def test_those_that_come_with_the_program_are_there_and_load():
    paths = Paths.from_flags(parse_flags([]), ROOT)
    found = [one for one in find_extensions(paths, Settings(), parse_flags(["--disable-extra-extensions"])) if one.shipped]
    tested = {folder.name for folder in (ROOT / "tests" / "extensions").iterdir() if (folder / "__init__.py").is_file()}
    assert {one.name for one in found} == set(SHIPPED) == tested
    hooks = load_extensions(found)
    assert ([one.error for one in hooks.extensions if one.error], hooks.problems) == ([], ())
