"""Extensions: a constant shell; static/extensions.js draws what is installed into it, as text."""

import gradio as gr


def build() -> gr.HTML:
    return gr.HTML(html_template=SHELL, js_on_load="webui.extensions.attach(element)", elem_id="extensions", apply_default_css=False)


SHELL = """
<section class="extensions-page" aria-label="Extensions">
  <p class="refused" role="note" hidden></p>
  <div class="webui-row actions">
    <button type="button" class="webui-button primary apply">Apply and restart UI</button>
    <button type="button" class="webui-button check">Check for updates</button>
    <label>Disable <select class="webui-input disable-all" aria-label="Disable">
      <option value="none">none</option><option value="extra">extra: all that did not come with the program</option><option value="all">all</option>
    </select></label>
  </div>
  <p class="told" role="status"></p>
  <p class="message error" role="alert" hidden></p>
  <h3>Installed</h3>
  <div class="list"></div>
  <h3>Install</h3>
  <form class="install">
    <label class="webui-field"><span class="caption">Address of a git repository, or a folder on this machine</span>
      <input class="webui-input" name="source" required autocomplete="off" spellcheck="false"></label>
    <label class="webui-field"><span class="caption">Branch; empty = its usual one</span>
      <input class="webui-input" name="branch" autocomplete="off"></label>
    <label class="webui-field"><span class="caption">Name of its folder; empty = the repository's</span>
      <input class="webui-input" name="name" autocomplete="off"></label>
    <p class="said">An extension is a program: it may do whatever this program may. Install only what you trust.</p>
    <button type="submit" class="webui-button">Install</button>
  </form>
  <h3>Saved sets</h3>
  <div class="webui-row">
    <input class="webui-input set-name" placeholder="Name of the set" aria-label="Name of the set" autocomplete="off">
    <button type="button" class="webui-button save">Save what is installed now</button>
  </div>
  <div class="states"></div>
</section>
"""
