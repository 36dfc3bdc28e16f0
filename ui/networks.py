"""Embeddings, checkpoints and Loras beside "Generation", and the rows of weights under the prompt: constant shells that static/*.js fill as text."""

from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr
from gradio.components import Component

from backend.errors import WebUIError
from backend.service import GenerationService
from ui import bind, drafts, progress
from ui.events import QUICK

PAGES = (("Textual Inversion", "embedding"), ("Checkpoints", "checkpoint"), ("Lora", "lora"))  # A1111's names and order


def rows(tab: str) -> gr.HTML:
    """One row per Lora of the prompt: weight, switch, remove; live drafts. It fires `draft`."""
    return gr.HTML(
        html_template=ROWS,
        js_on_load=f"webui.sliders.attach(element, '{tab}'); webui.drafts.bind('{tab}', () => trigger('draft'))",
        elem_id=f"{tab}_loras",
        elem_classes="loras-block",
        apply_default_css=False,
    )


@contextmanager
def beside_generation(tab: str) -> Iterator[None]:
    """What is built inside is the tab "Generation"."""
    with gr.Tabs(elem_id=f"{tab}_extra_tabs", elem_classes="extra-tabs"):
        with gr.Tab("Generation", id=f"{tab}_generation", elem_id=f"{tab}_generation_tab"):
            yield
        for label, kind in PAGES:
            _page(tab, label, kind)


def _page(tab: str, label: str, kind: str) -> None:
    with gr.Tab(label, id=f"{tab}_{kind}", elem_id=f"{tab}_{kind}_tab"):
        gr.HTML(
            html_template=PAGE,
            js_on_load=f"webui.networks.attach(element, '{tab}', '{kind}')",
            elem_id=f"{tab}_{kind}_cards",
            elem_classes="networks-block",
            apply_default_css=False,
        )


def draft_events(service: GenerationService, tab: str, shell: gr.HTML, form: bind.Form) -> None:
    """A moved slider asks for a draft with what the form says now, and the seed that webui.drafts holds on to."""
    client, seed = gr.Textbox(visible=False), gr.Number(visible=False)
    task, refusal = gr.Textbox(visible=False), gr.Textbox(visible=False)
    at = 2 + form.inputs.index(form.components["seed"])

    def draft(client: str, seed: float, *values: object) -> tuple[str, str]:
        """Id of the task, or why there is none."""
        if not progress.CLIENT.fullmatch(client):
            return "", "This page has lost its id. Reload it."
        try:
            request = form.request(values)
            return drafts.submit_draft(service, request, client, seed=int(seed)).id, ""
        except WebUIError as error:
            return "", str(error)

    js = f"(client, seed, ...values) => [webui.client, webui.drafts.seed('{tab}', values[{at - 2}]), ...values]"
    asked = shell.draft(draft, [client, seed, *form.inputs], [task, refusal], js=js, **QUICK)  # type: ignore[attr-defined]
    asked.then(None, [task, refusal], js=f"(task, refusal) => {{ webui.drafts.sent('{tab}', task, refusal); }}", **QUICK)


def follow_prompts(tab: str, prompts: list[Component]) -> None:
    """Gradio fires no DOM event where the server writes into a text box; no request is made here."""
    gr.on([prompt.change for prompt in prompts], None, js=f"() => {{ webui.sliders.synced('{tab}'); }}", **QUICK)  # type: ignore[attr-defined]


ROWS = """
<section class="loras" aria-label="Loras in the prompt" data-empty="true">
  <div class="rows"></div>
  <div class="foot">
    <button type="button" class="pill-button live" aria-pressed="false" title="Redraw a small picture when a weight moves">Live draft</button>
    <span class="grow"></span>
    <button type="button" class="icon undo" aria-label="Undo the last change to the prompts" title="Undo (Ctrl+Z)" disabled>↶</button>
    <button type="button" class="icon redo" aria-label="Redo" title="Redo (Ctrl+Y)" disabled>↷</button>
  </div>
  <div class="draft" hidden>
    <img alt="Draft" hidden>
    <span class="state" role="status"></span>
  </div>
</section>
"""
PAGE = """
<section class="networks" data-view="cards">
  <div class="bar-of-tools">
    <input class="search" type="search" autocomplete="off" spellcheck="false">
    <select class="sort" aria-label="Sort by">
      <option value="path">Path</option><option value="name">Name</option><option value="date">Date</option><option value="size">Size</option>
      <option value="used">Last used</option><option value="uses">Most used</option><option value="rating">Rating</option>
    </select>
    <button type="button" class="icon direction" aria-pressed="false" aria-label="Descending order" title="Descending order">↑</button>
    <button type="button" class="icon view" aria-pressed="false" aria-label="List instead of cards" title="List instead of cards"></button>
    <button type="button" class="icon tree" aria-pressed="false" aria-label="Folders as a tree" title="Folders as a tree"></button>
    <input class="size" type="range" min="96" max="260" step="4" aria-label="Card size" title="Card size">
  </div>
  <div class="chips-of-families" role="group" aria-label="Filter"></div>
  <div class="chips-of-folders" role="group" aria-label="Folders" hidden></div>
  <div class="refused" hidden></div>
  <div class="body">
    <div class="folders" role="tree" aria-label="Folders" hidden></div>
    <div class="scroller" tabindex="-1"><div class="cards" role="list"></div><p class="nothing" hidden></p></div>
  </div>
  <div class="bar-below"><span class="count" role="status"></span><span class="previews"></span></div>
</section>
"""
