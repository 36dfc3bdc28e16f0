"""One tab, txt2img or img2img: prompts and parameters left, Generate and results right; and what its events do."""

import gradio as gr

from backend.errors import WebUIError
from backend.service import GenerationService
from ui import bind, controls, gallery, networks, progress, quicksettings, toprow
from ui.events import QUICK


def build(service: GenerationService, blocks: gr.Blocks, settings: quicksettings.QuickSettings, tab: str) -> bind.Form:
    with gr.Row(elem_id=f"{tab}_layout", elem_classes="layout"):
        with gr.Column(elem_id=f"{tab}_asked", elem_classes="asked", min_width=0):
            with gr.Column(elem_id=f"{tab}_toprow", elem_classes="toprow", min_width=0):
                prompts = toprow.prompts(tab)
                loras = networks.rows(tab)
            with networks.beside_generation(tab):
                parameters = controls.build(tab)
        with gr.Column(elem_id=f"{tab}_results", elem_classes="drawn", min_width=0):
            buttons = toprow.buttons(tab)
            styles = toprow.styles(tab, service)
            gallery.build(tab)
    form = bind.Form(
        components={"prompt": prompts.prompt, "negative_prompt": prompts.negative_prompt, "styles": styles, **parameters.fields},
        checkpoint=settings.checkpoint,
        switches=parameters.switches,
    )
    bind.keep(tab, blocks, form)
    _generate_events(service, buttons, form, tab)
    networks.draft_events(service, tab, loras, form)
    networks.follow_prompts(tab, [prompts.prompt, prompts.negative_prompt])
    return form


def _generate_events(service: GenerationService, buttons: toprow.Buttons, form: bind.Form, tab: str) -> None:
    client, refusal = gr.Textbox(visible=False), gr.Textbox(visible=False)

    def submit(client: str, *values: object) -> str:
        """What was wrong, as text for the page; "" if the task is on its way."""
        if not progress.CLIENT.fullmatch(client):
            return "This page has lost its id. Reload it."
        try:
            service.submit(form.request(values), id_task=progress.new_task_id(client, tab))
        except WebUIError as error:
            return str(error)
        return ""

    sent = buttons.generate.click(submit, [client, *form.inputs], refusal, js="(client, ...values) => [webui.client, ...values]", **QUICK)
    sent.then(None, refusal, js=f"(refusal) => {{ webui.gallery.sent('{tab}', refusal); }}", **QUICK)
    buttons.interrupt.click(None, js=f"() => {{ webui.progress.tell('interrupt', '{tab}'); }}", **QUICK)
    buttons.skip.click(None, js=f"() => {{ webui.progress.tell('skip', '{tab}'); }}", **QUICK)
