"""The prompts and the Generate row; elem_ids and texts are A1111's."""

from dataclasses import dataclass

import gradio as gr

from ui import bind

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
    prompt = gr.Textbox(
        label=bind.label("prompt"),
        placeholder=f"Prompt\n{KEYS}",
        lines=3,
        max_lines=20,
        show_label=False,
        container=False,
        interactive=True,
        elem_id=f"{tab}_prompt",
        elem_classes="prompt",
        html_attributes=gr.InputHTMLAttributes(spellcheck=False),
    )
    gr.HTML(html_template=SUGGESTIONS, js_on_load="webui.suggestions.attach(element)", elem_id=f"{tab}_suggestions", apply_default_css=False)
    negative = gr.Textbox(
        label=bind.label("negative_prompt"),
        placeholder=f"Negative prompt\n{KEYS}",
        lines=2,
        max_lines=20,
        show_label=False,
        container=False,
        interactive=True,
        elem_id=f"{tab}_neg_prompt",
        elem_classes="prompt",
        html_attributes=gr.InputHTMLAttributes(spellcheck=False),
    )
    return Prompts(prompt=prompt, negative_prompt=negative)


def buttons(tab: str) -> Buttons:
    with gr.Row(elem_id=f"{tab}_generate_box", elem_classes="generate-box"):
        generate = gr.Button("Generate", variant="primary", elem_id=f"{tab}_generate", min_width=0)
        interrupt = gr.Button("Interrupt", elem_id=f"{tab}_interrupt", min_width=0, interactive=False)  # gallery.js lets them be pressed
        skip = gr.Button("Skip", elem_id=f"{tab}_skip", min_width=0, interactive=False)
    return Buttons(generate=generate, interrupt=interrupt, skip=skip)


SUGGESTIONS = """
<div class="suggestions">
  <div class="chips examples" hidden><span class="caption">Try</span><span class="list"></span></div>
  <div class="chips loras" hidden>
    <span class="caption">Lora</span>
    <input class="search" type="search" placeholder="Search" aria-label="Search Lora" hidden>
    <span class="list"></span><span class="more"></span>
  </div>
</div>
"""
