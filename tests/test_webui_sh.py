"""The launcher, with a Python that writes down what it is told to install instead of installing it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NO_DEPS = "pip install --no-deps -r requirements-no-deps.txt"

FAKE_PYTHON = f"""#!/usr/bin/env bash
case "$1 $2" in
  "-m venv") mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo "version = 3.12.1" >"$3/pyvenv.cfg" ;;
  "-m pip") shift; echo "$*" >>"$LOG"; exit "${{FAIL:-0}}" ;;
  "-m pytest") shift 2; echo "tests: $*" ;;
  "tests/browser.py ") ;;
  "-c import venv"*) exit "${{NO_VENV:-0}}" ;;
  *) exec "{sys.executable}" "$@" ;;
esac
"""
APP = "import os, shlex, sys\nprint('app:', *shlex.split(os.environ['COMMANDLINE_ARGS']), *sys.argv[1:], sep='|')\n"


class Launcher:
    """A copy of webui.sh in a folder with spaces in its name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "a web ui"
        self.folder.mkdir()
        shutil.copy(ROOT / "webui.sh", self.folder)
        self.write("app.py", APP)
        self.write("requirements.txt", "one==1\n")
        self.write("requirements-no-deps.txt", "three==3\n")
        self.write("requirements-test.txt", "two==2\n")
        self.python = self.write("python", FAKE_PYTHON)
        self.python.chmod(0o755)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """From another folder, as a desktop or a service starts it."""
        known = {"PATH": os.environ["PATH"], "LOG": str(self.folder / "log"), "python_cmd": str(self.python)}
        return subprocess.run([str(self.folder / "webui.sh"), *arguments], cwd="/", env={**known, **environment}, capture_output=True, text=True, check=False)

    @property
    def installed(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    return Launcher(tmp_path)


def test_the_first_start_installs_torch_before_all_else_and_starts(launcher: Launcher):
    done = launcher.start("--port", "7861")
    assert launcher.installed == ["pip install torch==2.13.0", "pip install -r requirements.txt", NO_DEPS]
    assert (done.returncode, done.stdout) == (0, "app:|--port|7861\n"), done.stderr


def test_the_second_start_installs_nothing_and_says_nothing(launcher: Launcher):
    launcher.start()
    before = launcher.installed
    done = launcher.start()
    assert launcher.installed == before
    assert (done.stdout, done.stderr) == ("app:\n", "")


@pytest.mark.parametrize("change", ["requirements", "no-deps", "torch command", "python"])
def test_a_change_of_what_is_wanted_installs_again(launcher: Launcher, change: str):
    launcher.start()
    if change == "requirements":
        launcher.write("requirements.txt", "one==2\n")
    if change == "no-deps":
        launcher.write("requirements-no-deps.txt", "three==4\n")
    if change == "python":
        launcher.write("venv/pyvenv.cfg", "version = 3.13.0\n")
    launcher.start(TORCH_COMMAND="pip install torch==2.14.0 --index-url 'http://a b'" if change == "torch command" else "")
    assert len(launcher.installed) == 6


def test_torch_command_keeps_its_quoted_words_together(launcher: Launcher):
    launcher.write("webui-user.sh", "export TORCH_COMMAND=\"pip install 'a b' $HOME* *\"\n")
    launcher.start(HOME="/home/me")
    assert launcher.installed[0] == "pip install a b /home/me* *"


def test_a_failed_installation_is_said_and_tried_again(launcher: Launcher):
    done = launcher.start(FAIL="1")
    assert done.returncode == 1
    assert "torch could not be installed" in done.stderr
    assert launcher.start().stdout == "app:\n"
    assert len(launcher.installed) == 4


def test_arguments_come_from_webui_user_and_then_from_the_command_line(launcher: Launcher):
    launcher.write("webui-user.sh", "COMMANDLINE_ARGS=\"--api --ckpt 'my model.ckpt'\"\n")
    assert launcher.start("--port", "1 2").stdout == "app:|--api|--ckpt|my model.ckpt|--port|1 2\n"


def test_skip_install_and_exit_do_so(launcher: Launcher):
    assert launcher.start("--skip-install").stdout == "app:|--skip-install\n"
    assert launcher.installed == []
    assert launcher.start(COMMANDLINE_ARGS="--exit").stdout == ""
    assert len(launcher.installed) == 3


def test_reinstall_torch_does_so(launcher: Launcher):
    launcher.start()
    launcher.start("--reinstall-torch")
    assert launcher.installed[3] == "pip install torch==2.13.0 --force-reinstall"


def test_venv_dir_names_another_folder_or_none(launcher: Launcher, tmp_path: Path):
    launcher.start(venv_dir=str(tmp_path / "other env"))
    assert (tmp_path / "other env/bin/python").exists()
    assert launcher.start(venv_dir="-").stdout == "app:\n"
    assert not (launcher.folder / "venv").exists()
    assert len(launcher.installed) == 6


def test_a_python_that_is_missing_is_named(launcher: Launcher):
    done = launcher.start(python_cmd="/no/such/python")
    assert (done.returncode, done.stderr) == (1, 'webui.sh: python_cmd is "/no/such/python", and there is no such program.\n')


def test_no_python_at_all_is_said_with_a_remedy(launcher: Launcher, tmp_path: Path):
    for name in ("bash", "env", "dirname"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    done = launcher.start(python_cmd="", PATH=str(tmp_path))
    assert done.returncode == 1
    assert "no Python 3.10 or newer found" in done.stderr
    assert "apt-get install python3" in done.stderr


def test_a_missing_venv_module_names_its_package(launcher: Launcher):
    done = launcher.start(NO_VENV="1")
    assert done.returncode == 1
    assert f"apt-get install python{sys.version_info.major}.{sys.version_info.minor}-venv" in done.stderr


def test_a_venv_whose_python_is_gone_is_said(launcher: Launcher):
    (launcher.folder / "venv/bin").mkdir(parents=True)
    (launcher.folder / "venv/bin/python").symlink_to("/no/such/python")
    assert 'Delete the folder "venv"' in launcher.start().stderr


def test_test_installs_the_rest_once_and_hands_its_arguments_on(launcher: Launcher):
    assert launcher.start("test", "-k", "a b").stdout == "tests: -k a b\n"
    launcher.start("test")
    assert launcher.installed == ["pip install torch==2.13.0", "pip install -r requirements.txt", NO_DEPS, "pip install -r requirements-test.txt"]
