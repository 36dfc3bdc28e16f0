"""The prompts and the Generate row; elem_ids and texts are A1111's."""

from dataclasses import dataclass

import gradio as gr

from backend.service import GenerationService
from ui import bind
from ui.controls import tool
from ui.events import QUICK

KEYS = "(Press Ctrl+Enter to generate, Alt+Enter to skip, Esc to interrupt)"


@dataclass(frozen=True, kw_only=True)
class Prompts:
    prompt: gr.Textbox
    negative_prompt: gr.Textbox


@dataclass(frozen=True, kw_only=True)
class Buttons:
    generate: gr.Button
    interrupt: gr.Button
    skip: gr.Button


def prompts(tab: str) -> Prompts:
    prompt = _prompt(f"{tab}_prompt", "prompt", "Prompt", 3)
    if tab == "txt2img":
        gr.HTML(html_template=SUGGESTIONS, js_on_load="webui.suggestions.attach(element)", elem_id=f"{tab}_suggestions", apply_default_css=False)
    negative = _prompt(f"{tab}_neg_prompt", "negative_prompt", "Negative prompt", 2)
    return Prompts(prompt=prompt, negative_prompt=negative)


def _prompt(elem_id: str, name: str, text: str, lines: int) -> gr.Textbox:
    return gr.Textbox(
        label=bind.label(name),
        placeholder=f"{text}\n{KEYS}",
        lines=lines,
        max_lines=20,
        show_label=False,
        container=False,
        interactive=True,
        elem_id=elem_id,
        elem_classes=["prompt", "positive" if name == "prompt" else "negative"],
        html_attributes=gr.InputHTMLAttributes(spellcheck=False),
    )


def buttons(tab: str) -> Buttons:
    with gr.Row(elem_id=f"{tab}_generate_box", elem_classes="generate-box"):
        generate = gr.Button("Generate", variant="primary", elem_id=f"{tab}_generate", min_width=0)
        interrupt = gr.Button("Interrupt", elem_id=f"{tab}_interrupt", min_width=0, interactive=False)  # gallery.js lets them be pressed
        skip = gr.Button("Skip", elem_id=f"{tab}_skip", min_width=0, interactive=False)
    return Buttons(generate=generate, interrupt=interrupt, skip=skip)


def styles(tab: str, service: GenerationService) -> gr.Dropdown:
    """↙ 🗑 📋, the styles, and 🖌; the buttons' work is JavaScript's alone (paste.js, styles.js)."""
    with gr.Row(elem_id=f"{tab}_tools", elem_classes="toprow-tools"):
        for text, name, icon in TOOLS:
            made = tool(text, f"{tab}_{name}" if name != "paste" else "paste" if tab == "txt2img" else f"{tab}_paste", icon)
            made.click(None, js=f"() => {{ webui.{name.partition('_')[0]}.pressed('{tab}'); }}", **QUICK)
        chosen = gr.Dropdown(
            label=bind.label("styles"),
            choices=style_names(service),
            value=[],
            multiselect=True,
            show_label=False,
            container=False,
            interactive=True,
            elem_id=f"{tab}_styles",
            elem_classes="styles",
            min_width=0,
        )
        edit = tool("🖌️", f"{tab}_styles_edit_button", "edit")
        bus = gr.HTML(html_template="<i></i>", js_on_load=STYLES_BUS, elem_classes="unseen", apply_default_css=False)
    edit.click(None, js=f"() => {{ webui.styles.edit('{tab}'); }}", **QUICK)
    bus.styles_changed(lambda: gr.Dropdown(choices=style_names(service)), None, chosen, **QUICK)
    return chosen


def style_names(service: GenerationService) -> list[str]:
    return list(service.styles.table.styles)


TOOLS = (("↙️", "paste", "paste"), ("🗑️", "clear_prompt", "trash"), ("📋", "style_apply", "apply"))
STYLES_BUS = "webui.styles.attach(element, () => trigger('styles_changed'))"
SUGGESTIONS = """
<div class="suggestions">
  <div class="chips examples" hidden><span class="caption">Try</span><span class="list"></span></div>
</div>
"""
