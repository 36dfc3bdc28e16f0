"""The install.py of an extension made for A1111, run in a process of its own, on a person's word alone."""

import subprocess
import sys
from pathlib import Path

from backend.errors import WebUIError

INSTALLER = "install.py"
RUNNER = Path(__file__).parent.parent / "extensions/a1111_scripts/installing/run.py"  # what such a file imports lies beside it
SECONDS = 1800
TOLD = 2000  # characters of what it said


def run_installer(folder: Path, working: Path) -> str:
    """Its last words; packages go into this program's Python. Raises WebUIError, with them, where it fails. working: the folder that it runs in."""
    command = [sys.executable, str(RUNNER), str(folder / INSTALLER)]
    try:
        done = subprocess.run(
            command,
            cwd=working,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
            text=True,
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise WebUIError(f"{INSTALLER} of {folder.name} was not done after {SECONDS // 60} minutes, and was ended.") from error
    said = done.stdout.strip()[-TOLD:]
    if done.returncode:
        raise WebUIError(f"{INSTALLER} of {folder.name} failed (exit status {done.returncode}): {said or 'it said nothing'}")
    return said
