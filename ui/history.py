"""History: past pictures by day, searched and filtered. A constant shell; static/history_*.js fill it (as text, never as HTML)."""

import gradio as gr


def build() -> gr.HTML:
    return gr.HTML(html_template=SHELL, js_on_load="webui.past.attach(element)", elem_id="history", apply_default_css=False)


SHELL = """
<section class="past" aria-label="History">
  <div class="past-bar">
    <input class="past-search webui-input" type="search" placeholder="Search prompts, seed, file name; -word leaves out" aria-label="Search pictures">
    <select class="past-lora webui-input" aria-label="Lora"></select>
    <select class="past-model webui-input" aria-label="Checkpoint"></select>
    <select class="past-day webui-input" aria-label="Day"></select>
  </div>
  <div class="past-chips chips" role="group" aria-label="Folders"></div>
  <p class="past-count" role="status"></p>
  <p class="past-nothing" hidden></p>
  <div class="past-grid" role="list" aria-label="Pictures"></div>
  <dialog class="past-view" tabindex="-1" aria-label="Picture">
    <div class="past-stage">
      <a class="past-picture" target="_blank" title="Open the file in a new tab"><img alt=""></a>
      <p class="past-broken" hidden></p>
      <button type="button" class="past-step past-before" aria-label="Newer picture (←)" title="Newer picture (←)">‹</button>
      <button type="button" class="past-step past-after" aria-label="Older picture (→)" title="Older picture (→)">›</button>
      <button type="button" class="past-close" aria-label="Close (Esc)" title="Close (Esc)">✕</button>
    </div>
    <div class="past-said">
      <h2 class="past-file"></h2>
      <p class="past-facts"></p>
      <div class="past-loras chips" hidden></div>
      <div class="infotext" tabindex="0" aria-label="Parameters" hidden></div>
      <p class="message error" role="alert" hidden></p>
      <div class="webui-row past-sends"></div>
      <div class="webui-row past-files">
        <a class="webui-button past-download" download>Download</a>
        <button type="button" class="webui-button past-copy">Copy parameters</button>
        <button type="button" class="webui-button past-delete">Delete</button>
      </div>
    </div>
  </dialog>
</section>
"""
