"""Which files are opened, as Python's audit hook tells; a hook cannot be taken off again, so there is one for all tests."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


class _Hook:
    def __init__(self) -> None:
        self.opened: list[str] | None = None
        sys.addaudithook(self._hear)

    def _hear(self, event: str, values: tuple[object, ...]) -> None:
        if event == "open" and self.opened is not None and isinstance(values[0], str):
            self.opened.append(values[0])


@cache
def _hook() -> _Hook:
    return _Hook()


@contextmanager
def opened_files() -> Iterator[list[str]]:
    hook = _hook()
    hook.opened = opened = []
    yield opened
    hook.opened = None
