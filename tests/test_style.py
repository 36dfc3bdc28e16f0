"""The linter and the type checker find nothing, so that one line tells whether the tree is sound."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command: str) -> subprocess.CompletedProcess[str]:
    quiet = {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}  # no look-up of newer versions
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **quiet})


def test_ruff_finds_nothing():
    done = run("ruff", "check", "--no-cache", "--output-format=concise", ".")
    assert done.returncode == 0, done.stdout + done.stderr


def test_pyright_finds_nothing():
    if run("pyright", "--version").returncode:
        pytest.skip("pyright cannot start here: its node package comes from npm's registry, and that cannot be reached")
    done = run("pyright", "--pythonpath", sys.executable)
    assert done.returncode == 0, done.stdout + done.stderr
