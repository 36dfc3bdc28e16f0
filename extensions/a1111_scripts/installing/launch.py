"""What install.py of an extension made for A1111 knows as `launch`."""

import importlib.metadata
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

python = sys.executable
args = SimpleNamespace(skip_install=False, data_path=str(Path.cwd()))
index_url = ""


def is_installed(package: str) -> bool:
    """By the name of the package, or of its module."""
    try:
        return importlib.metadata.distribution(package) is not None
    except importlib.metadata.PackageNotFoundError:
        return importlib.util.find_spec(package) is not None if "." not in package else False


def run(command: str, desc: str | None = None, errdesc: str | None = None, custom_env: Any = None, live: bool = True) -> str:
    """A line of the shell; what it says goes on, and is given. Raises RuntimeError."""
    _say(desc)
    done = subprocess.run(command, shell=True, env=custom_env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True, errors="replace")
    _say(done.stdout)
    if done.returncode:
        raise RuntimeError(f"{errdesc or 'Error running command'}: {command} (exit status {done.returncode})")
    return done.stdout


def run_pip(command: str, desc: str | None = None, live: bool = True) -> str:
    """pip of this program's Python. Raises RuntimeError."""
    return run(
        f"{shlex.quote(python)} -m pip {command} --prefer-binary --disable-pip-version-check",
        f"Installing {desc}" if desc else None,
        f"Couldn't install {desc}",
    )


def requirements_met(file: str) -> bool:
    """Whether each line's package is there, in the version that == names."""
    for line in Path(file).read_text("utf-8").splitlines():
        found = re.match(r"\s*([\w.-]+)(?:\[[^]]*\])?\s*(?:==\s*([\w.+-]+))?", line.split("#")[0])
        if found is None:
            continue
        try:
            version = importlib.metadata.version(found[1])
        except importlib.metadata.PackageNotFoundError:
            return False
        if found[2] and found[2] != version:
            return False
    return True


def _say(text: str | None) -> None:
    if text:
        sys.stdout.write(f"{text.rstrip()}\n")
        sys.stdout.flush()
