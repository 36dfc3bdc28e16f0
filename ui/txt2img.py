"""The txt2img tab: prompts and parameters left, Generate and results right; and what its events do."""

import gradio as gr

from backend.catalog import Entry
from backend.errors import WebUIError
from backend.service import GenerationService
from ui import bind, controls, gallery, progress, quicksettings, toprow
from ui.events import QUICK


def build(service: GenerationService, blocks: gr.Blocks, settings: quicksettings.QuickSettings) -> None:
    tab = "txt2img"
    with gr.Row(elem_id=f"{tab}_layout", elem_classes="layout"):
        with gr.Column(elem_id=f"{tab}_asked", elem_classes="asked", min_width=0):
            with gr.Column(elem_id=f"{tab}_toprow", elem_classes="toprow", min_width=0):
                prompts = toprow.prompts(tab)
            parameters = controls.build(tab)
        with gr.Column(elem_id=f"{tab}_results", elem_classes="drawn", min_width=0):
            buttons = toprow.buttons(tab)
            gallery.build(tab)
    form = bind.Form(
        components={"prompt": prompts.prompt, "negative_prompt": prompts.negative_prompt, **parameters.fields},
        checkpoint=settings.checkpoint,
        extra=parameters.extra,
    )
    _generate_events(service, buttons, form)
    _checkpoint_events(service, blocks, settings, form)


def _generate_events(service: GenerationService, buttons: toprow.Buttons, form: bind.Form) -> None:
    client, refusal = gr.Textbox(visible=False), gr.Textbox(visible=False)

    def submit(client: str, *values: object) -> str:
        """What was wrong, as text for the page; "" if the task is on its way."""
        if not progress.CLIENT.fullmatch(client):
            return "This page has lost its id. Reload it."
        try:
            service.submit(form.request(values), id_task=progress.new_task_id(client))
        except WebUIError as error:
            return str(error)
        return ""

    sent = buttons.generate.click(submit, [client, *form.inputs], refusal, js="(client, ...values) => [webui.client, ...values]", **QUICK)
    sent.then(None, refusal, js="(refusal) => { webui.gallery.sent(refusal); }", **QUICK)
    buttons.interrupt.click(None, js="() => { webui.progress.tell('interrupt'); }", **QUICK)
    buttons.skip.click(None, js="() => { webui.progress.tell('skip'); }", **QUICK)


def _checkpoint_events(service: GenerationService, blocks: gr.Blocks, settings: quicksettings.QuickSettings, form: bind.Form) -> None:
    """The drop-down follows the folder; size and examples follow the drop-down, the size only until the person sets one."""
    touched = gr.Checkbox(visible=False)
    fields = form.components
    inputs = [settings.checkpoint, touched]
    outputs = [settings.checkpoint, fields["width"], fields["height"]]
    touched_js = "(checkpoint, touched) => [checkpoint, webui.size.touched]"
    told_js = "(checkpoint) => { webui.suggestions.checkpoint(checkpoint); }"

    def arrive(_: str | None, touched: bool) -> list[object]:
        return _show(service, quicksettings.selected(service), touched)

    def models_changed(name: str | None, touched: bool) -> list[object]:
        entry = service.catalog.find("checkpoint", name) if name else None
        return _show(service, entry or quicksettings.selected(service), touched)

    def choose(name: str | None, touched: bool) -> list[object]:
        entry = service.catalog.find("checkpoint", name) if name else None
        if entry is not None:
            service.settings.update({"sd_model_checkpoint": service.catalog.title(entry)})
        return _show(service, entry, touched)

    events = (
        blocks.load(arrive, inputs, outputs, js=touched_js, **QUICK),
        settings.bus.models_changed(models_changed, inputs, outputs, js=touched_js, **QUICK),
        settings.checkpoint.input(choose, inputs, outputs, js=touched_js, **QUICK),
    )
    for event in events:
        event.then(None, settings.checkpoint, js=told_js, **QUICK)


def _show(service: GenerationService, entry: Entry | None, touched: bool) -> list[object]:
    width, height = (gr.skip(), gr.skip()) if touched else quicksettings.native_size(entry)
    return [gr.Dropdown(choices=quicksettings.choices(service.catalog), value=entry.name if entry else None), width, height]
