"""The program git, for extensions: nothing asks for a password, no hook of a repository runs, and only addresses of known kinds are fetched from."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import NotFound, WebUIError

SECONDS = 600
ADDRESS = re.compile(r"(https?|ssh|git)://[^\s]+|[\w.+-]+@[\w.-]+:[^\s]+")
# Whatever a repository or an address may ask for: no transports that run programs, no hooks, no helpers that ask.
_SAFE = (
    *("-c", "protocol.allow=never"),
    *(word for name in ("https", "http", "ssh", "git", "file") for word in ("-c", f"protocol.{name}.allow=always")),
    *("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "credential.interactive=never", "-c", "core.askPass="),
)


@dataclass(frozen=True, kw_only=True)
class Commit:
    """Where a folder stands. remote "": it was never cloned."""

    remote: str = ""
    branch: str = ""
    hash: str = ""
    date: int = 0  # seconds since 1970


def clone(address: str, folder: Path, branch: str = "") -> None:
    """Into a folder that is not there yet. Raises WebUIError with git's last words."""
    chosen = ("--branch", branch) if branch else ()
    _git(["clone", "--no-hardlinks", *chosen, "--", address, str(folder)], folder.parent)


def state(folder: Path) -> Commit:
    if not (folder / ".git").exists():
        return Commit()
    try:
        hash, date = _git(["log", "-1", "--format=%H %ct"], folder).split()
        branch = _git(["rev-parse", "--abbrev-ref", "HEAD"], folder)
        remotes = _git(["remote"], folder).split()
        remote = _git(["remote", "get-url", remotes[0]], folder) if remotes else ""
    except (WebUIError, ValueError):  # a repository without a commit
        return Commit()
    return Commit(remote=_without_password(remote), branch=branch, hash=hash, date=int(date))


def fetch(folder: Path) -> int:
    """How many commits there are that the folder does not have. Raises WebUIError."""
    _git(["fetch", "--quiet"], folder)
    return int(_git(["rev-list", "--count", "HEAD..@{upstream}"], folder))


def pull(folder: Path) -> str:
    """To the newest commit of its branch, whatever was changed here, as in A1111; gives the commit. Raises WebUIError, and then nothing has changed."""
    _git(["fetch", "--quiet"], folder)
    _git(["reset", "--hard", "--quiet", "@{upstream}"], folder)
    return state(folder).hash


def check_out(folder: Path, commit: str) -> None:
    """To this commit, on the branch that it is on. Raises WebUIError."""
    if not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        raise WebUIError(f"{commit!r} is no commit.")
    try:
        _git(["cat-file", "-e", f"{commit}^{{commit}}"], folder)
    except WebUIError:
        _git(["fetch", "--quiet"], folder)
    _git(["reset", "--hard", "--quiet", commit], folder)


def _git(words: Sequence[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            ["git", *_SAFE, *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
            start_new_session=True,  # without a terminal, where it would ask for passwords
        )
    except FileNotFoundError as error:
        raise NotFound("The program git is not installed, or not in the PATH.") from error
    except subprocess.TimeoutExpired as error:
        raise WebUIError(f"git took longer than {SECONDS} seconds and was stopped.") from error
    if done.returncode:
        told = [line for line in done.stderr.strip().splitlines() if line.strip()]
        raise WebUIError(f"git: {_without_password(told[-1]) if told else f'exit code {done.returncode}'}")
    return done.stdout.strip()


def _without_password(text: str) -> str:
    return re.sub(r"://[^/@\s]*@", "://", text)
