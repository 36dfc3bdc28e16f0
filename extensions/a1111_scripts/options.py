"""shared.opts, shared.state and what belongs to them, over the settings and the running task."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from backend.scripts import Session
from backend.setting_table import SETTINGS
from backend.settings import Settings


class OptionInfo:
    """modules.options.OptionInfo: one setting, as a script declares it."""

    def __init__(
        self,
        default: Any = None,
        label: str = "",
        component: Any = None,
        component_args: Any = None,
        onchange: Any = None,
        section: Any = None,
        refresh: Any = None,
        comment_before: str = "",
        comment_after: str = "",
        infotext: str | None = None,
        restrict_api: bool = False,
        category_id: str | None = None,
    ) -> None:
        self.default, self.label, self.component, self.component_args, self.onchange = default, label, component, component_args, onchange
        self.section, self.refresh, self.infotext, self.restrict_api, self.category_id = section, refresh, infotext, restrict_api, category_id
        self.comment_before, self.comment_after = comment_before, comment_after
        self.do_not_save = False

    def info(self, text: str) -> OptionInfo:
        self.comment_after += f"({text})"
        return self

    def html(self, text: str) -> OptionInfo:
        self.comment_after += text
        return self

    def link(self, label: str, url: str) -> OptionInfo:
        self.comment_before += f"[{label}]"
        return self

    js = link

    def needs_restart(self) -> OptionInfo:
        return self

    needs_reload_ui = needs_restart


class OptionHTML(OptionInfo):
    """A text among the settings."""

    def __init__(self, text: str) -> None:
        super().__init__(text, label="")
        self.do_not_save = True


def options_section(identity: Any, options: dict[str, OptionInfo]) -> dict[str, OptionInfo]:
    for option in options.values():
        option.section = identity[:2]
        option.category_id = identity[2] if len(identity) > 2 else None
    return options


class Options:
    """shared.opts. What a script sets of the program's own settings goes into the requests that it makes, and holds until the job ends."""

    def __init__(self, settings: Callable[[], Settings], stored: Mapping[str, Any]) -> None:
        self.__dict__.update(_settings=settings, _stored=dict(stored), _set={}, data_labels={}, restricted_opts=set())

    @property
    def data(self) -> MutableMapping[str, Any]:
        return _Data(self)

    def __getattr__(self, key: str) -> Any:
        try:
            return self._value(key)
        except KeyError:
            raise AttributeError(f"There is no setting {key!r}.") from None

    def __setattr__(self, key: str, value: Any) -> None:
        self._set[key] = value

    def _value(self, key: str) -> Any:
        if key in self._set:
            return self._set[key]
        try:
            value = self._settings()[key]
            return list(value) if isinstance(value, tuple) else value
        except KeyError:  # before settings of scripts are declared, and of what is none
            if key in self.data_labels:
                return self._stored.get(key, self.data_labels[key].default)
            return self._stored[key]

    def _keys(self) -> Iterator[str]:
        yield from dict.fromkeys((*self._settings().as_dict(), *self.data_labels, *self._stored, *self._set))

    @property
    def changed(self) -> dict[str, Any]:
        """What scripts have set of the program's own settings."""
        return {key: value for key, value in self._set.items() if key in SETTINGS}

    def forget(self) -> None:
        for key in self.changed:
            del self._set[key]

    def set(self, key: str, value: Any, is_api: bool = False, run_callbacks: bool = True) -> bool:
        self._set[key] = value
        if run_callbacks and (option := self.data_labels.get(key)) and option.onchange:
            option.onchange()
        return True

    def add_option(self, key: str, info: OptionInfo) -> None:
        self.data_labels[key] = info

    def get_default(self, key: str) -> Any:
        return self.data_labels[key].default if key in self.data_labels else SETTINGS[key].default if key in SETTINGS else None

    def onchange(self, key: str, func: Callable[[], Any], call: bool = True) -> None:
        if key in self.data_labels:
            self.data_labels[key].onchange = func
        if call:
            func()

    def remember(self, stored: Mapping[str, Any]) -> None:
        """In the place of what config.json says."""
        self.__dict__["_stored"] = dict(stored)

    def save(self, filename: Any = None) -> None:
        """What scripts set is not written: config.json is the person's."""

    def dumpjson(self) -> str:
        return json.dumps({key: self._value(key) for key in self._keys()}, default=str)


class _Data(MutableMapping[str, Any]):
    def __init__(self, options: Options) -> None:
        self._options = options

    def __getitem__(self, key: str) -> Any:
        return self._options._value(key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._options._set[key] = value

    def __delitem__(self, key: str) -> None:
        self._options._set.pop(key, None)

    def __iter__(self) -> Iterator[str]:
        return self._options._keys()

    def __len__(self) -> int:
        return len(list(self))


class State:
    """shared.state: of the running task."""

    def __init__(self, session: Callable[[], Session | None]) -> None:
        self.__dict__.update(_session=session, _more={"job": "", "job_no": 0, "job_count": 0, "skipped": False, "sampling_step": 0, "sampling_steps": 0})

    def __getattr__(self, name: str) -> Any:
        if name == "interrupted":
            session = self._session()
            return session is not None and session.interrupted
        empty = ("textinfo", "current_image", "current_latent", "id_live_preview", "job_timestamp", "time_start", "server_command", "need_restart")
        if name in self._more or name in (*empty, "stopping_generation", "processing_has_refined_job_count"):
            return self._more.get(name)
        raise AttributeError(f"shared.state has no {name!r} here")

    def __setattr__(self, name: str, value: Any) -> None:
        self._more[name] = value
        if name == "job_count" and (session := self._session()) is not None and isinstance(value, int) and value > 0:
            session.expect(value)

    def begin(self, job: str = "") -> None:
        self.job = job

    def end(self) -> None:
        self.job = ""

    def nextjob(self) -> None:
        self._more["job_no"] += 1

    def assign_current_image(self, image: Any) -> None:
        self.current_image = image

    def set_current_image(self) -> None:
        pass

    def dict(self) -> dict[str, Any]:
        return dict(self._more, interrupted=self.interrupted)
