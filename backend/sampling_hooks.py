"""The samplers and schedulers that extensions add → the names that there are; what cannot be taken is named."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from backend.errors import WebUIError
from backend.sampling.names import SamplerInfo, SamplingNames, SchedulerInfo

Info = TypeVar("Info", SamplerInfo, SchedulerInfo)
Given = Iterable[tuple[str, Sequence[Info]]]  # by extension
Failed = Callable[[str, str, BaseException], str]  # extension, hook, what is wrong

_TARGET = re.compile(r"\w+(\.\w+)*:\w+")


def sampling_names(
    samplers: Given[SamplerInfo],
    schedulers: Given[SchedulerInfo],
    settings: Collection[str],
    off: tuple[str, ...],
    failed: Failed,
) -> SamplingNames:
    """settings: keys that there are. failed: is told of each that is left out."""
    names = SamplingNames(off=off)
    for extension, info in _each(schedulers, "schedulers", failed):
        try:
            names = replace(names, schedulers=(*names.schedulers, _scheduler(extension, info, names, settings)))
        except WebUIError as error:
            failed(extension, "schedulers", error)
    for extension, info in _each(samplers, "samplers", failed):
        try:
            names = replace(names, samplers=(*names.samplers, _sampler(extension, info, names, settings)))
        except WebUIError as error:
            failed(extension, "samplers", error)
    return names


def _each(given: Given[Info], hook: str, failed: Failed) -> Iterable[tuple[str, Info]]:
    for extension, added in given:
        try:
            infos = tuple(added)
        except TypeError as error:
            failed(extension, hook, error)
        else:
            yield from ((extension, info) for info in infos)


def _sampler(extension: str, info: SamplerInfo, names: SamplingNames, settings: Collection[str]) -> SamplerInfo:
    if not isinstance(info, SamplerInfo):
        raise WebUIError(f"{type(info).__name__} instead of SamplerInfo.")
    said = f"Sampler {info.label!r}"
    _check(said, info, (info.label, *info.aliases), names.find_sampler, settings)
    if info.timesteps:
        raise WebUIError(f"{said}: one that walks along sigmas is needed, not along timesteps.")
    if info.scheduler is not None and names.find_scheduler(info.scheduler) is None:
        raise WebUIError(f"{said}: there is no schedule type {info.scheduler!r}.")
    return replace(info, extension=extension)


def _scheduler(extension: str, info: SchedulerInfo, names: SamplingNames, settings: Collection[str]) -> SchedulerInfo:
    if not isinstance(info, SchedulerInfo):
        raise WebUIError(f"{type(info).__name__} instead of SchedulerInfo.")
    _check(f"Schedule type {info.label!r}", info, (info.label, info.name, *info.aliases), names.find_scheduler, settings)
    return replace(info, extension=extension)


def _check(
    said: str, info: SamplerInfo | SchedulerInfo, own: Sequence[str], taken: Callable[[str], SamplerInfo | SchedulerInfo | None], settings: Collection[str]
) -> None:
    if any(not isinstance(name, str) or not name.strip() or name != name.strip() or not name.isprintable() for name in own):
        raise WebUIError(f"{said}: a name in one line is needed.")
    if clash := next((name for name in own if taken(name) is not None), None):
        other = taken(clash)
        raise WebUIError(f"{said}: the name {clash!r} is taken by {other.extension if other and other.extension else 'the program itself'}.")
    if not _TARGET.fullmatch(info.target):
        raise WebUIError(f'{said}: a target such as "extensions.my_extension.engine:function" is needed.')
    if missing := [key for key in info.settings if key not in settings]:
        raise WebUIError(f"{said}: there is no setting {missing[0]!r}.")
