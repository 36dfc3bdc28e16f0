"""The extensions on the disk: what is there, installed, updated, switched, removed; and sets of them, saved with their commits.

Nothing outside extensions/ is touched. What happens here shows after a restart: what is loaded stays loaded.
"""

import json
import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import Any

from backend import git
from backend.errors import NotFound, WebUIError
from backend.extension_modules import FRONT
from backend.extensions import A1111_MARKS, find_extensions, made_for_a1111
from backend.flags import Flags
from backend.install_script import INSTALLER, run_installer
from backend.paths import Paths
from backend.plugins import Extension, Hooks
from backend.settings import SettingsStore

log = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,99}")
MARKS = (FRONT, *A1111_MARKS)  # one of these makes a folder an extension
CARRIER = "a1111_scripts"  # loads those made for A1111; the setting that switches it on is called so, too
HALF = ".half-"  # how folders are called that are not whole yet, or not any more; they are never loaded
STATES = "config_states"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the Extensions tab."""

    name: str
    title: str
    version: str
    remote: str
    branch: str
    commit: str
    date: int
    shipped: bool
    removable: bool
    enabled: bool  # after the next start
    loaded: bool  # now
    for_a1111: bool
    carried: bool  # the setting for those is on
    installer: bool  # it has an install.py that may be run
    errors: tuple[str, ...]


class ExtensionStore:
    """One thing at a time; everything may take as long as git does."""

    def __init__(self, paths: Paths, settings: SettingsStore, flags: Flags, hooks: Hooks) -> None:
        self._paths, self._settings, self._flags, self._hooks = paths, settings, flags, hooks
        self._busy = Lock()
        self._states = paths.data / STATES
        self._carried = {one.name for one in self._found() if one.for_a1111 and one.enabled and self._carries()}  # since the start

    # ---- looking

    def rows(self) -> list[Row]:
        """Shipped ones first, then by name; those that were removed since the start are not among them."""
        return [self._row(one) for one in self._found()]

    def check(self) -> dict[str, str]:
        """What there is of newer commits, in words, by name."""
        with self._alone():
            return {one.name: _told(one.folder) for one in self._found() if one.folder and self._own(one) and git.state(one.folder).remote}

    # ---- changing

    def install(self, source: str, *, name: str = "", branch: str = "") -> str:
        """From a git address or a folder of this machine; gives its name. Raises WebUIError, and then nothing is left of it."""
        source, name, branch = source.strip(), name.strip(), branch.strip()
        folder = None if git.ADDRESS.fullmatch(source) else _local(source)
        name = _checked(name or re.sub(r"\.git$", "", re.split(r"[/:\\]", source.rstrip("/\\"))[-1]))
        if branch and not re.fullmatch(r"[\w][\w./-]*", branch):
            raise WebUIError(f"{branch!r} is no name of a branch.")
        with self._alone():
            target = self._paths.extensions / name
            if target.exists() or any(one.name.lower() == name.lower() for one in self._found()):
                raise WebUIError(f"There is an extension {name} already.")
            self._bring(target, lambda half: _copy(folder, half, branch) if folder else git.clone(source, half, branch))
        return name

    def update(self, name: str) -> str:
        """To the newest commit of its branch; gives the commit. Raises WebUIError, and then it is as it was."""
        with self._alone():
            return git.pull(self._cloned(name))

    def set_up(self, name: str) -> str:
        """Runs the install.py of one made for A1111; gives its last words. Raises WebUIError, with them, where it fails."""
        with self._alone():
            folder = self._changeable(name)
            if not (self._carries() and (folder / INSTALLER).is_file()):
                raise WebUIError(f"{name} has no {INSTALLER} that could be run, or what was made for A1111 is switched off.")
            if self._flags.skip_install:
                raise WebUIError(f"The program was started with --skip-install, so no {INSTALLER} is run.")
            return run_installer(folder, self._paths.data)

    def remove(self, name: str) -> None:
        """Its folder, and what the settings say of it. Raises WebUIError for one that came with the program."""
        with self._alone():
            folder = self._changeable(name)
            if folder.is_symlink():
                folder.unlink()
            else:
                half = folder.with_name(f"{HALF}{name}")
                shutil.rmtree(half, ignore_errors=True)
                folder.rename(half)  # at once: what is half gone must not be loaded
                shutil.rmtree(half, ignore_errors=True)
            off = tuple(other for other in self._settings.current["disabled_extensions"] if other != name)
            self._settings.update({"disabled_extensions": off})

    def switch(self, disabled: Sequence[str], disable_all: str) -> None:
        """Which ones are off after the next start. disable_all: "none", "extra" or "all"."""
        known = {one.name for one in self._found()}
        if unknown := next((name for name in disabled if name not in known), ""):
            raise NotFound(f"There is no extension {unknown!r}.")
        self._settings.update({"disabled_extensions": tuple(disabled), "disable_all_extensions": disable_all})

    # ---- sets

    def states(self) -> list[dict[str, Any]]:
        """Newest first: {"file", "name", "created_at", "extensions": {name: {remote, branch, commit_hash, enabled, version}}}."""
        found = [state for path in sorted(self._states.glob("*.json"), reverse=True) if (state := _read(path)) is not None]
        return sorted(found, key=lambda state: state["created_at"], reverse=True)

    def save(self, name: str) -> None:
        """A set as it is now, in A1111's form."""
        now, plain = datetime.now(), re.sub(r"[^\w-]+", "_", name.strip())[:60] or "Config"
        extensions = {
            row.name: {"remote": row.remote, "branch": row.branch, "commit_hash": row.commit, "enabled": row.enabled, "version": row.version}
            for row in self.rows()
            if not row.shipped
        }
        content = {"name": name.strip() or "Config", "created_at": now.timestamp(), "extensions": extensions}
        try:
            self._states.mkdir(parents=True, exist_ok=True)
            (self._states / f"{now:%Y_%m_%d-%H_%M_%S}_{plain}.json").write_text(json.dumps(content, indent=4), "utf-8")
        except OSError as error:
            raise WebUIError(f"The set cannot be written to {STATES}: {error.strerror}.") from error

    def restore(self, file: str) -> list[str]:
        """Switches each one as it was, and takes it to its commit. Gives what could not be done, a sentence each; nothing is installed or removed."""
        state = next((state for state in self.states() if state["file"] == file), None)
        if state is None:
            raise NotFound(f"There is no saved set {file!r}.")
        with self._alone():
            here = {one.name: one for one in self._found() if self._own(one)}
            told = [f"{name} is not installed{_from(wanted)}." for name, wanted in state["extensions"].items() if name not in here]
            for name, wanted in state["extensions"].items():
                folder = here[name].folder if name in here else None
                if folder and wanted.get("commit_hash") and git.state(folder).hash != wanted["commit_hash"]:
                    try:
                        git.check_out(folder, str(wanted["commit_hash"]))
                    except WebUIError as error:
                        told.append(f"{name}: {error}")
            before = [name for name in self._settings.current["disabled_extensions"] if name not in state["extensions"]]
            off = [name for name, wanted in state["extensions"].items() if not wanted.get("enabled", True) and name in here]
            self._settings.update({"disabled_extensions": (*before, *off)})
        return told

    # ---- helpers

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise WebUIError("Another change of the extensions is on its way. Wait until it is done.")
        try:
            yield
        finally:
            self._busy.release()

    def _found(self) -> tuple[Extension, ...]:
        given = self._paths, self._settings.current, self._flags
        return (*find_extensions(*given), *made_for_a1111(*given))

    def _carries(self) -> bool:
        return bool(self._settings.current[CARRIER])

    def _own(self, one: Extension) -> bool:
        """Whether it lies in the person's folder and did not come with the program."""
        return one.folder is not None and not one.shipped and one.folder.parent == self._paths.extensions

    def _row(self, one: Extension) -> Row:
        own = self._own(one)
        commit = git.state(one.folder) if own and one.folder else git.Commit()
        loaded = next((other for other in self._hooks.extensions if other.name == one.name), None)
        errors = tuple(filter(None, [loaded.error if loaded else one.error]))
        problems = [f"{problem.where}: {problem.error}" for problem in self._hooks.problems if problem.extension == one.name]
        refused = any(problem.extension == one.name and problem.where.startswith("needs ") for problem in self._hooks.problems)
        if one.name == CARRIER:
            names = {other.name for other in (*self._hooks.extensions, *self._found())}
            problems += [f"{problem.extension}, {problem.where}: {problem.error}" for problem in self._hooks.problems if problem.extension not in names]
        return Row(
            name=one.name,
            title=one.title,
            version=one.version or commit.hash[:8],
            remote=commit.remote,
            branch=commit.branch,
            commit=commit.hash,
            date=commit.date,
            shipped=one.shipped,
            removable=own,
            enabled=one.enabled,
            loaded=(loaded is not None and loaded.enabled and not loaded.error) or (one.name in self._carried and not refused),
            for_a1111=one.for_a1111,
            carried=self._carries(),
            installer=one.for_a1111
            and own
            and self._carries()
            and not self._flags.skip_install
            and one.folder is not None
            and (one.folder / INSTALLER).is_file(),
            errors=(*errors, *problems),
        )

    def _changeable(self, name: str) -> Path:
        one = next((one for one in self._found() if one.name == name), None)
        if one is None:
            raise NotFound(f"There is no extension {name!r}.")
        if not self._own(one) or one.folder is None:
            raise WebUIError(f"{name} came with the program or as a package, and is not changed here. It can be switched off.")
        return one.folder

    def _cloned(self, name: str) -> Path:
        folder = self._changeable(name)
        if not git.state(folder).remote:
            raise WebUIError(f"{name} was not cloned by git, so there is nothing to update it from.")
        return folder

    def _bring(self, target: Path, bring: Callable[[Path], None]) -> None:
        """Whole, or not at all."""
        self._paths.extensions.mkdir(parents=True, exist_ok=True)
        half = Path(tempfile.mkdtemp(prefix=HALF, dir=self._paths.extensions))
        try:
            bring(half / "new")
            if not any((half / "new" / mark).exists() for mark in MARKS):
                raise WebUIError(f"This is no extension: it has neither {FRONT} nor anything that one made for A1111 has.")
            (half / "new").rename(target)
        except OSError as error:
            raise WebUIError(f"It cannot be installed: {error.strerror or error}.") from error
        finally:
            shutil.rmtree(half, ignore_errors=True)


def update_all(paths: Paths) -> None:
    """Every folder in extensions/ that was cloned, to its newest commit; one that cannot be updated is told in the log."""
    for folder in sorted(paths.extensions.iterdir()) if paths.extensions.is_dir() else ():
        if folder.name.startswith(".") or not git.state(folder).remote:
            continue
        try:
            log.info("The extension %s is at %s", folder.name, git.pull(folder)[:8])
        except WebUIError as error:
            log.warning("The extension %s cannot be updated: %s", folder.name, error)


def _checked(name: str) -> str:
    if not NAME.fullmatch(name) or name.endswith("."):
        raise WebUIError(f"{name!r} cannot be the name of an extension's folder: letters, digits, dots, - and _ are possible.")
    return name


def _local(source: str) -> Path:
    folder = Path(source).expanduser()
    if not source or not folder.is_absolute() or not folder.is_dir():
        raise WebUIError(f"{source!r} is neither a git address (https://…) nor the whole path of a folder on this machine.")
    return folder


def _copy(folder: Path, half: Path, branch: str) -> None:
    """A clone where it is a repository, so that it can be updated; links stay links."""
    if (folder / ".git").exists() or (folder / "HEAD").is_file():
        git.clone(str(folder), half, branch)
    else:
        shutil.copytree(folder, half, symlinks=True)


def _told(folder: Path) -> str:
    try:
        behind = git.fetch(folder)
    except WebUIError as error:
        return str(error)
    return "latest" if not behind else f"{behind} new commit{'s' if behind > 1 else ''}"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        state = json.loads(path.read_text("utf-8"))
        extensions = {str(name): dict(one) for name, one in state["extensions"].items()}
        return {"file": path.name, "name": str(state.get("name", path.stem)), "created_at": float(state["created_at"]), "extensions": extensions}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _from(wanted: dict[str, Any]) -> str:
    return f" (it came from {wanted['remote']})" if wanted.get("remote") else ""
