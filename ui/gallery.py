"""The right-hand side: preview, progress, pictures, infotext. A constant shell; static/gallery.js fills it (as text, never as HTML)."""

import gradio as gr


def build(tab: str) -> gr.HTML:
    return gr.HTML(
        html_template=SHELL.replace(UPSCALE, "") if tab != "txt2img" else SHELL,
        js_on_load=f"webui.gallery.attach(element, '{tab}')",
        elem_id=f"{tab}_gallery",
        elem_classes="gallery-block",
        apply_default_css=False,
    )


UPSCALE = """
    <button type="button" class="button upscale" title="Create an upscaled version of the current image using hires fix settings.">✦ Upscale</button>"""
SHELL = """
<section class="results" data-state="empty" aria-label="Results">
  <div class="frame">
    <a class="picture" target="_blank" title="Look at it closely" hidden><img alt=""></a>
    <p class="empty"></p>
  </div>
  <div class="bar" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100" aria-valuenow="0"><i></i></div>
  <div class="status"><span class="what"></span><span class="left"></span></div>
  <p class="announce" role="status" aria-live="polite"></p>
  <p class="message error" role="alert" hidden></p>
  <div class="thumbs" role="group" aria-label="Pictures" hidden></div>
  <div class="tools" hidden>
    <a class="button download" download>Download</a>
    <button type="button" class="button save" title="Save the picture to a dedicated directory (log/images) and its parameters to log.csv">Save</button>
    <a class="button zip" download title="All pictures of this task in one file">Zip</a>
    <button type="button" class="button upscale" title="Create an upscaled version of the current image using hires fix settings.">✦ Upscale</button>
    <button type="button" class="button delete" title="Delete the file of this picture">Delete</button>
    <button type="button" class="button copy">Copy parameters</button>
    <span class="sends"></span>
    <span class="file"></span>
  </div>
  <div class="infotext" tabindex="0" aria-label="Parameters" hidden></div>
  <ul class="message comments" hidden></ul>
</section>
"""
