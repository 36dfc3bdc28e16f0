"""One tab, txt2img or img2img: prompts and parameters left, Generate and results right; and what its events do."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any

import gradio as gr
from gradio.components import Component
from pydantic import BaseModel, Field, ValidationError

from backend.errors import WebUIError
from backend.fields import to_request
from backend.request import ScriptCall
from backend.service import GenerationService
from ui import bind, controls, gallery, groups, networks, passes, progress, quicksettings, scripts, sources, toprow
from ui.events import QUICK


class Call(BaseModel):
    """place: the tab that its task belongs to, plain letters."""

    script: str
    values: dict[str, Any] = {}
    place: Annotated[str, Field(pattern=r"^[a-z0-9]{1,40}$")]


def build(service: GenerationService, blocks: gr.Blocks, settings: quicksettings.QuickSettings, tab: str) -> bind.Form:
    with gr.Row(elem_id=f"{tab}_layout", elem_classes="layout"):
        with gr.Column(elem_id=f"{tab}_asked", elem_classes="asked", min_width=0):
            with gr.Column(elem_id=f"{tab}_toprow", elem_classes="toprow", min_width=0):
                prompts = toprow.prompts(tab)
                loras = networks.rows(tab)
            with networks.beside_generation(tab):
                if tab == "img2img":
                    sources.build(tab, service)
                fields, switches, opened = parameters(tab, service)
                added = scripts.build(service, blocks, tab)
        with gr.Column(elem_id=f"{tab}_results", elem_classes="drawn", min_width=0):
            buttons = toprow.buttons(tab)
            styles = toprow.styles(tab, service)
            gallery.build(tab)
    form = bind.Form(
        components={"prompt": prompts.prompt, "negative_prompt": prompts.negative_prompt, "styles": styles, **fields},
        checkpoint=settings.checkpoint,
        switches=switches,
        scripts=added,
    )
    bind.keep(tab, blocks, form)
    passes.follow(service, blocks, settings.bus, opened)
    _generate_events(service, buttons, form, tab)
    networks.draft_events(service, tab, loras, form)
    networks.follow_prompts(tab, [prompts.prompt, prompts.negative_prompt])
    return form


def parameters(tab: str, service: GenerationService) -> tuple[dict[str, Component], bind.Switches, list[passes.Group]]:
    """In A1111's order: by field name, the boxes that open a group, and those groups whose choices follow the folders."""
    with gr.Column(elem_id=f"{tab}_settings", elem_classes="settings"):
        above = {} if tab == "txt2img" else groups.inpaint(tab)
        sampling = controls.sampling(tab, service.catalog.added.sampling)
        opened = [passes.hires(tab, service)] if tab == "txt2img" else []
        opened.append(passes.refiner(tab, service))
        size = controls.size_and_batch(tab) if tab == "txt2img" else {**groups.resize(tab), **groups.batch_line(tab)}
        strength = {"cfg_scale": controls.slider(tab, "cfg_scale", 1, 30, 0.5)}
        if tab == "img2img":
            strength["image_cfg_scale"] = controls.slider(tab, "image_cfg_scale", 0, 3, 0.05, info="of instruct-pix2pix checkpoints alone")
            strength["denoising_strength"] = controls.slider(tab, "denoising_strength", 0, 1, 0.01)
        seed, extra = controls.seed(tab)
        chips = {"override_settings": controls.override_settings(tab)}
    switches = {"extra": (extra, bind.EXTRA_FIELDS), **{group.name: (group.switch, tuple(group.fields)) for group in opened}}
    fields = {name: component for group in opened for name, component in group.fields.items()}
    return {**above, **sampling, **fields, **size, **strength, **seed, **chips}, switches, opened


def _generate_events(service: GenerationService, buttons: toprow.Buttons, form: bind.Form, tab: str) -> None:
    client, sent_pictures, refusal = (gr.Textbox(visible=False) for _ in range(3))

    def submit(client: str, pictures: str, *values: object) -> str:
        """What was wrong, as text for the page; "" if the task is on its way."""
        if not progress.CLIENT.fullmatch(client):
            return "This page has lost its id. Reload it."
        try:
            for asked in [to_request(one) for one in _asked(service, form, values, pictures, tab)]:
                service.submit(asked, id_task=progress.new_task_id(client, tab), kept=True)
        except WebUIError as error:
            return str(error)
        return ""

    collect = "(client, pictures, ...values) => [webui.client, '', ...values]"
    if tab == "img2img":
        collect = f"async (client, pictures, ...values) => [webui.client, await webui.canvas.sent('{tab}'), ...values]"
    sent = buttons.generate.click(submit, [client, sent_pictures, *form.inputs], refusal, js=collect, **QUICK)
    told = [sent]
    if tab == "txt2img":
        enlarge = "(client, picture, ...values) => [webui.client, webui.hires.picture, ...values]"
        told.append(passes.upscale_bus(tab).asked(submit, [client, sent_pictures, *form.inputs], refusal, js=enlarge, **QUICK))
    _script_events(service, form, tab)
    for event in told:
        event.then(None, refusal, js=f"(refusal) => {{ webui.gallery.sent('{tab}', refusal); }}", **QUICK)
    buttons.interrupt.click(None, js=f"() => {{ webui.progress.tell('interrupt', '{tab}'); }}", **QUICK)
    buttons.skip.click(None, js=f"() => {{ webui.progress.tell('skip', '{tab}'); }}", **QUICK)


def _script_events(service: GenerationService, form: bind.Form, tab: str) -> None:
    """What the page's JavaScript asks for by webui.asks.script: the form as it stands, drawn by a script that it names."""
    client, pictures, call, tasks, refusal = (gr.Textbox(visible=False) for _ in range(5))
    js = f"webui.asks.bind('{tab}', () => trigger('asked'))"
    bus: Any = gr.HTML(html_template="<i></i>", js_on_load=js, elem_id=f"{tab}_asks_bus", elem_classes="unseen", apply_default_css=False)

    def submit(client: str, pictures: str, call: str, *values: object) -> tuple[str, str]:
        """Ids of the tasks with blanks between, or why there are none."""
        try:
            asked = Call.model_validate_json(call)
            if not progress.CLIENT.fullmatch(client):
                return "", "This page has lost its id. Reload it."
            script = ScriptCall(title=asked.script, values=asked.values)
            requests = [replace(to_request(one), script=script) for one in _asked(service, form, values, pictures, tab)]
            made = [service.submit(one, id_task=progress.new_task_id(client, asked.place), kept=True) for one in requests]
        except ValidationError:
            return "", "What this page asked for cannot be read. Reload it."
        except WebUIError as error:
            return "", str(error)
        return " ".join(task.id for task in made), ""

    picked = f"await webui.canvas.sent('{tab}')" if tab == "img2img" else "''"
    collect = f"async (client, pictures, call, ...values) => [webui.client, {picked}, webui.asks.next('{tab}'), ...values]"
    sent = bus.asked(submit, [client, pictures, call, *form.inputs], [tasks, refusal], js=collect, **QUICK)
    sent.then(None, [tasks, refusal], js=f"(tasks, refusal) => {{ webui.asks.sent('{tab}', tasks, refusal); }}", **QUICK)


def _asked(service: GenerationService, form: bind.Form, values: tuple[object, ...], pictures: str, tab: str) -> Iterator[dict[str, Any]]:
    """Values of each request that one press makes. pictures: those that img2img starts from, or the one that ✨ enlarges."""
    if folder := sources.folder(pictures) if tab == "img2img" else {}:
        service.exposure.check("read and write folders of the server")
        yield sources.of_folder(form.values(values), folder, service.paths)
    elif tab == "img2img":
        yield from sources.requests(form.values(values), pictures)
    elif pictures:
        yield passes.enlarged(service, form.values(values, on="enable_hr"), pictures)
    else:
        yield form.values(values)
