"""Which settings the command line freezes: A1111's --freeze-settings, --freeze-settings-in-sections, --freeze-specific-settings."""

from collections.abc import Mapping

from backend.flags import Flags
from backend.setting_table import KNOWN_ELSEWHERE, SETTINGS

# What A1111's flag calls the sections; their titles are taken as well.
SECTION_KEYS: Mapping[str, str] = {
    "Saving images/grids": "saving-images",
    "Paths for saving": "saving-paths",
    "Saving to a directory": "saving-to-dirs",
    "Upscaling": "upscaling",
    "Face restoration": "face-restoration",
    "API": "API",
    "Stable Diffusion": "sd",
    "Stable Diffusion XL": "sdxl",
    "VAE": "vae",
    "img2img": "img2img",
    "Optimizations": "optimizations",
    "Compatibility": "compatibility",
    "Extra Networks": "extra_networks",
    "Prompt editing": "ui_prompt_editing",
    "Gallery": "ui_gallery",
    "UI alternatives": "ui_alternatives",
    "Notifications": "ui",
    "Live previews": "ui",
    "User interface": "ui",
    "Infotext": "infotext",
    "Sampler parameters": "sampler-params",
    "Extensions": "extensions",
}


def frozen_settings(flags: Flags) -> Mapping[str, str]:
    """The flag that freezes it, by key."""
    keys = (*SETTINGS, *KNOWN_ELSEWHERE)
    if flags.freeze_settings:
        return dict.fromkeys(keys, "--freeze-settings")
    sections = _names(flags.freeze_settings_in_sections)
    by_section = {key: "--freeze-settings-in-sections" for key, setting in SETTINGS.items() if sections & {setting.section, SECTION_KEYS.get(setting.section)}}
    specific = _names(flags.freeze_specific_settings)
    return by_section | {key: "--freeze-specific-settings" for key in keys if key in specific}


def _names(text: str | None) -> frozenset[str]:
    return frozenset(part.strip() for part in (text or "").split(",") if part.strip())
