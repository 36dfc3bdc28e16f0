"""The bar on top: the checkpoint, which follows the folder by itself, and what the engine is doing."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr
from gradio.components import Component

from backend.catalog import Catalog, Entry
from backend.service import GenerationService
from backend.sidecar import read_sidecar
from ui.events import QUICK

RESOLUTION = re.compile(r"\s*(\d{1,5})\s*x\s*(\d{1,5})\s*", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class QuickSettings:
    checkpoint: gr.Dropdown
    bus: gr.HTML  # fires `models_changed` when the catalog has a new revision


def build(service: GenerationService) -> QuickSettings:
    with gr.Row(elem_id="quicksettings"):
        chosen = selected(service)
        checkpoint = gr.Dropdown(
            label="Stable Diffusion checkpoint",
            choices=choices(service.catalog),
            value=chosen.name if chosen else None,
            interactive=True,
            elem_id="setting_sd_model_checkpoint",
            min_width=0,
            scale=1,
        )
        gr.HTML(html_template='<div class="quick" hidden></div>', js_on_load="webui.quick.attach(element)", elem_id="quick_settings", apply_default_css=False)
        bus = gr.HTML(html_template=STATUS, js_on_load=BUS, elem_id="status_bar", apply_default_css=False)
    gr.HTML(html_template=LEFT_JOBS, js_on_load="webui.jobs.offer(element)", elem_id="left_jobs", apply_default_css=False)
    return QuickSettings(checkpoint=checkpoint, bus=bus)


def wire(service: GenerationService, blocks: gr.Blocks, settings: QuickSettings, sizes: Sequence[Component]) -> None:
    """The drop-down follows the folder; size and examples follow the drop-down, the size only until the person sets one.

    sizes: width and height of each tab, one after the other.
    """
    native = gr.JSON(visible=False)
    outputs = [settings.checkpoint, native]
    told_js = f"(checkpoint, native) => {{ webui.suggestions.checkpoint(checkpoint); return webui.size.fit(native, {len(sizes)}); }}"

    def arrive() -> list[object]:
        return _show(service, selected(service))

    def models_changed(name: str | None) -> list[object]:
        entry = service.catalog.find("checkpoint", name) if name else None
        return _show(service, entry or selected(service))

    def choose(name: str | None) -> list[object]:
        entry = service.catalog.find("checkpoint", name) if name else None
        if entry is not None and "sd_model_checkpoint" not in service.settings.frozen:
            service.settings.update({"sd_model_checkpoint": service.catalog.title(entry)})
        return _show(service, entry)

    events = (
        blocks.load(arrive, None, outputs, **QUICK),
        settings.bus.models_changed(models_changed, settings.checkpoint, outputs, **QUICK),
        settings.checkpoint.input(choose, settings.checkpoint, outputs, **QUICK),
        settings.bus.card_chosen(choose, settings.checkpoint, outputs, js="() => [webui.networks.picked]", **QUICK),
    )
    for event in events:
        event.then(None, outputs, list(sizes), js=told_js, **QUICK)


def _show(service: GenerationService, entry: Entry | None) -> list[object]:
    """The drop-down, and the size for the page: whether it takes it is decided there, when it arrives."""
    return [gr.Dropdown(choices=choices(service.catalog), value=entry.name if entry else None), list(native_size(entry))]


def choices(catalog: Catalog) -> list[tuple[str, str]]:
    """(title, name): the title changes once the file is hashed, the name does not."""
    return [(catalog.title(entry), entry.name) for entry in catalog.entries("checkpoint")]


def selected(service: GenerationService) -> Entry | None:
    """The checkpoint of the settings; else the first one; None where there is none."""
    name = str(service.settings.current["sd_model_checkpoint"] or "")
    found = service.catalog.find("checkpoint", name) if name else None
    return found or next(iter(service.catalog.entries("checkpoint")), None)


def native_size(entry: Entry | None) -> tuple[int, int]:
    """Width and height that the checkpoint was made for, by its modelspec.resolution; 512 × 512 where the file does not say."""
    match = RESOLUTION.fullmatch(entry.metadata.get("modelspec.resolution", "")) if entry else None
    width, height = (int(match[1]), int(match[2])) if match else (512, 512)
    return _on_slider(width), _on_slider(height)


def examples(entry: Entry | None) -> list[str]:
    """The `example prompts` of the checkpoint's sidecar."""
    found = read_sidecar(entry.path).get("example prompts", []) if entry else []
    return [text for text in found if isinstance(text, str) and text.strip()] if isinstance(found, list) else []


def _on_slider(pixels: int) -> int:
    return min(max(pixels // 8 * 8, 64), 2048)


STATUS = """
<div class="status-bar">
  <span class="pill engine" role="status"></span>
  <button type="button" class="pill jobs" aria-haspopup="dialog">Jobs</button>
  <button type="button" class="pill theme" aria-label="Light or dark" title="Light or dark"></button>
</div>
"""
LEFT_JOBS = """
<div class="notice left-jobs" hidden>
  <span role="status"></span>
  <button type="button" class="webui-button">Continue</button>
  <button type="button" class="webui-button">Discard</button>
</div>
"""
BUS = "webui.bar.attach(element, () => trigger('models_changed')); webui.networks.onChoose(() => trigger('card_chosen'))"
