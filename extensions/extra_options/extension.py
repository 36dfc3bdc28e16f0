"""Settings of one's choice beside the parameters of a picture: A1111's "Extra options". What is set there holds for that picture alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from backend.catalog import Catalog
from backend.controls import Kind
from backend.hooks import hookimpl
from backend.request import GenerationRequest
from backend.scripts import TABS, Control, Part, PartContext
from backend.settings import Setting, Settings

FILES: Mapping[str, str] = {"sd_model_checkpoint": "checkpoint", "sd_vae": "vae", "sd_lora": "lora"}  # settings whose choices are files


class ExtraOptions(Part):
    title = "extra options"

    def controls(self, tab: str, catalog: Catalog, settings: Settings) -> Sequence[Control]:
        """One for each setting that is named in the settings; it starts with the value that the setting has now."""
        named = settings[f"extra_options_{tab}"]
        return [control(settings.declared[key], settings[key]) for key in named if key in settings.declared]

    def change_request(self, request: GenerationRequest, values: Mapping[str, Any], context: PartContext) -> GenerationRequest:
        """A setting that the request itself overrides stays as the request has it."""
        changed = {key: value for key, value in values.items() if value != context.settings[key]}
        return replace(request, override_settings={**changed, **request.override_settings})


def control(setting: Setting, value: object) -> Control:
    ranged = setting.minimum is not None and setting.maximum is not None
    kinds: Mapping[type, Kind] = {bool: "checkbox", str: "textbox", tuple: "textbox"}
    chosen = bool(setting.choices) or setting.key in FILES
    return Control(
        key=setting.key,
        kind="dropdown" if chosen else kinds.get(setting.kind, "slider" if ranged else "number"),
        label=setting.label,
        default=value,
        minimum=setting.minimum,
        maximum=None if setting.soft and not ranged else setting.maximum,
        step=setting.step,
        choices=setting.choices,
        choices_of=FILES.get(setting.key, ""),
        any_choice=setting.key in FILES,
        info=setting.info,
    )


@hookimpl
def settings() -> list[Setting]:
    info = "Keys of settings, as config.json has them, that the tab shows beside the parameters. The page shows them after a restart."
    return [Setting(key=f"extra_options_{tab}", default=(), label=f"Settings for {tab}", section="Settings in UI", info=info) for tab in TABS]


@hookimpl
def parts() -> list[Part]:
    return [ExtraOptions()]
