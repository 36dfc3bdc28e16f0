"""Settings that scripts add by on_ui_settings → the program's own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from backend.settings import Setting
from extensions.a1111_scripts.options import OptionHTML, OptionInfo

SECTION = "Extensions made for A1111"
KINDS = (bool, int, float, str, tuple)


def settings(options: Mapping[str, OptionInfo]) -> Iterator[Setting]:
    """In the order of their coming. A text among them is none, and neither is one whose default no setting can hold."""
    for key, option in options.items():
        setting = None if isinstance(option, OptionHTML) else _setting(key, option)
        if setting is not None:
            yield setting


def _setting(key: str, option: OptionInfo) -> Setting | None:
    default: Any = tuple(map(str, option.default)) if isinstance(option.default, list | tuple) else "" if option.default is None else option.default
    if type(default) not in KINDS:
        return None
    arguments: Any = option.component_args() if callable(option.component_args) else option.component_args or {}
    ranged = type(default) in (int, float)
    if ranged and isinstance(default, int) and not float(arguments.get("step") or 1).is_integer():
        default = float(default)
    choices = _choices(arguments.get("choices") or ()) if isinstance(default, str) else ()
    return Setting(
        key=key,
        default=default,
        label=option.label or key,
        section=str(option.section[1]) if isinstance(option.section, Sequence) and len(option.section) > 1 and option.section[1] else SECTION,
        info=f"{option.comment_before} {option.comment_after}".strip(),
        infotext=option.infotext,
        choices=choices if default in choices else (),
        minimum=arguments.get("minimum") if ranged else None,
        maximum=arguments.get("maximum") if ranged else None,
        step=arguments.get("step") if ranged else None,
        soft=True,
    )


def _choices(given: Any) -> tuple[str, ...]:
    """What is stored: the value of a pair, else the choice itself."""
    return tuple(str(one[1] if isinstance(one, tuple) and len(one) == 2 else one) for one in given)
