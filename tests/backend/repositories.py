"""Git repositories with an extension in them, made by tests; nothing of the machine's own settings counts."""

import subprocess
from pathlib import Path


def repository(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    return commit(folder, **files)


def commit(folder: Path, **files: str) -> Path:
    """files: text by name, with .py behind it."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, "utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a change")
    return folder


def head(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()
