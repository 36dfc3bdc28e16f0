"""PNG Info: drop a picture, read its parameters, send them on. A constant shell; static/pnginfo.js fills it."""

import gradio as gr


def build() -> gr.HTML:
    return gr.HTML(html_template=SHELL, js_on_load="webui.pnginfo.attach(element)", elem_id="pnginfo", apply_default_css=False)


SHELL = """
<section class="pnginfo" aria-label="PNG Info">
  <div class="drop">
    <span class="hint">Drop a picture here, or click to choose one</span><img alt="" hidden>
    <input type="file" accept="image/*" aria-label="Picture">
  </div>
  <div class="found">
    <div class="infotext" hidden></div>
    <p class="message error" role="alert" hidden></p>
    <div class="webui-row sends" hidden></div>
  </div>
</section>
"""
