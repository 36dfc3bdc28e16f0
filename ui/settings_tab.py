"""Settings: a constant shell; static/settings.js draws the declared settings into it."""

import gradio as gr


def build() -> gr.HTML:
    return gr.HTML(html_template=SHELL, js_on_load="webui.settings.attach(element)", elem_id="settings", apply_default_css=False)


SHELL = """
<section class="settings-page" aria-label="Settings">
  <div class="settings-bar">
    <input class="webui-input search" type="search" placeholder="Search settings" aria-label="Search settings">
    <button type="button" class="webui-button primary apply" disabled>Apply settings</button>
    <button type="button" class="webui-button undo" disabled>Undo</button>
    <p class="told" role="status"></p>
  </div>
  <nav class="sections" aria-label="Sections"></nav>
  <div class="rows"></div>
</section>
"""
