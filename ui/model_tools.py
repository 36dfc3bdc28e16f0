"""The tabs Checkpoint Merger and LoRA tools: constant shells; static/tools.js fills their lists, sends what is asked and shows how far it is."""

import gradio as gr

from backend.model_tools import METHODS, WEIGHTED_SUM


def build_merger() -> gr.HTML:
    return gr.HTML(html_template=MERGER, js_on_load="webui.tools.attach(element)", elem_id="merger", apply_default_css=False)


def build_lora_tools() -> gr.HTML:
    return gr.HTML(html_template=LORA_TOOLS, js_on_load="webui.tools.attach(element)", elem_id="lora_tools", apply_default_css=False)


def _select(name: str, label: str, files: str, none: str = "") -> str:
    """A list of files that tools.js fills. none: what its first choice is called."""
    return (
        f'<label class="webui-field"><span class="caption">{label}</span>'
        f'<select class="webui-input" name="{name}" data-files="{files}" data-none="{none}"></select></label>'
    )


def _number(name: str, label: str, value: float, most: float, step: float) -> str:
    return (
        f'<label class="webui-field"><span class="caption">{label}</span>'
        f'<input class="webui-input" type="number" name="{name}" value="{value:g}" min="0" max="{most:g}" step="{step:g}"></label>'
    )


def _text(name: str, label: str) -> str:
    return (
        f'<label class="webui-field"><span class="caption">{label}</span>'
        f'<input class="webui-input" type="text" name="{name}" autocomplete="off" spellcheck="false"></label>'
    )


def _check(name: str, label: str, *, on: bool = False) -> str:
    return f'<label class="tool-check"><input type="checkbox" name="{name}"{" checked" if on else ""}> {label}</label>'


def _end(button: str, result: str) -> str:
    """What stands below every tool: the new file's name, the button, and how it went."""
    return f"""
  <p class="tool-name" aria-live="polite">{result}</p>
  {_check("replace", "Replace the file of this name")}
  <div class="webui-row">
    <button type="submit" class="webui-button primary">{button}</button>
    <button type="button" class="webui-button stop" hidden>Interrupt</button>
  </div>
  <div class="tool-progress" role="progressbar" aria-label="{button}" aria-valuemin="0" aria-valuemax="100" hidden><i></i><span></span></div>
  <ul class="message comments" role="status" hidden></ul>
  <p class="message error" role="alert" hidden></p>"""


_PRECISION = """<label class="webui-field"><span class="caption">Precision</span>
  <select class="webui-input" name="precision"><option>fp16</option><option>bf16</option><option>fp32</option></select></label>"""
_RULE = f"""<label class="webui-field"><span class="caption">Rule for the rank of each layer</span>
  <select class="webui-input" name="rule"><option value="">As given</option><option value="sv_fro">Share of the Frobenius norm</option>
  <option value="sv_cumulative">Share of the sum of singular values</option><option value="sv_ratio">Largest singular value divided by</option></select></label>
  {_number("value", "Value of the rule (0.9; 20 for the ratio)", 0.9, 10000, 0.01)}"""
_METHODS = "".join(
    f'<label><input type="radio" name="method" value="{method}"{" checked" if method == WEIGHTED_SUM else ""}> {method}</label>' for method in METHODS
)

MERGER = f"""
<section class="tools-page" aria-label="Checkpoint Merger">
  <form class="maker" data-tool="merge">
    <p class="tool-said"></p>
    <div class="tool-row">
      {_select("primary", "Primary model (A)", "checkpoints", "–")}
      {_select("secondary", "Secondary model (B)", "checkpoints", "–")}
      {_select("tertiary", "Tertiary model (C)", "checkpoints", "–")}
    </div>
    {_text("name", "Custom Name (Optional)")}
    <label class="webui-field"><span class="caption">Multiplier (M) - set to 0 to get model A: <output>0.3</output></span>
      <input type="range" name="multiplier" min="0" max="1" step="0.05" value="0.3"></label>
    <fieldset class="tool-choice"><legend>Interpolation Method</legend>{_METHODS}</fieldset>
    {_check("half", "Save as float16")}
    <div class="tool-row">
      {_select("vae", "Bake in VAE", "vaes", "None")}
      {_text("discard", "Discard weights with matching name")}
    </div>
    <details><summary>Metadata</summary>
      {_check("save_metadata", "Save metadata", on=True)}
      {_check("add_recipe", "Add merge recipe metadata", on=True)}
      {_check("copy_metadata", "Copy metadata from merged models", on=True)}
      <label class="webui-field"><span class="caption">Metadata in JSON format</span>
        <textarea name="metadata" rows="4" spellcheck="false">{{}}</textarea></label>
      <button type="button" class="webui-button read-metadata">Read metadata from selected checkpoints</button>
    </details>
    {_end("Merge", "")}
  </form>
</section>
"""

LORA_TOOLS = f"""
<section class="tools-page" aria-label="LoRA tools">
  <datalist id="tool_loras"></datalist>
  <form class="maker" data-tool="bake" aria-label="Merge">
    <h2>Merge</h2>
    <p class="tool-said">Several Loras at their weights become one, or go into a checkpoint.</p>
    <div class="tool-lora-labels" aria-hidden="true"><span></span><span>TE</span><span>U-Net</span></div>
    <div class="tool-loras" role="group" aria-label="Loras"></div>
    <div class="webui-row">
      <button type="button" class="webui-button add">Add Lora</button>
      <button type="button" class="webui-button from-prompt">Take those of the prompt</button>
    </div>
    {_select("checkpoint", "Into", "checkpoints", "One Lora")}
    <div class="tool-row for-lora">
      {_number("rank", "Rank (0 = exact, the ranks add up)", 0, 1024, 1)}
      {_number("conv_rank", "Rank of convolutions (0 = the same)", 0, 1024, 1)}
      {_PRECISION}
    </div>
    <div class="for-checkpoint">{_check("half", "Save as float16")}</div>
    {_text("name", "Name")}
    {_end("Merge Loras", "")}
  </form>
  <form class="maker" data-tool="resize" aria-label="Resize">
    <h2>Resize</h2>
    <p class="tool-said">A Lora becomes smaller: each layer by its largest singular values.</p>
    <label class="webui-field"><span class="caption">Lora</span>
      <input class="webui-input" type="text" name="lora" list="tool_loras" autocomplete="off" spellcheck="false"></label>
    <div class="tool-row">
      {_number("rank", "Rank (with a rule the highest)", 8, 1024, 1)}
      {_number("conv_rank", "Rank of convolutions (0 = the same)", 0, 1024, 1)}
      {_PRECISION}
    </div>
    <div class="tool-row">{_RULE}</div>
    {_text("name", "Name")}
    {_end("Resize Lora", "")}
  </form>
  <form class="maker" data-tool="extract" aria-label="Extract">
    <h2>Extract</h2>
    <p class="tool-said">What one checkpoint has over another becomes a Lora.</p>
    <div class="tool-row">
      {_select("tuned", "Tuned checkpoint", "checkpoints", "–")}
      {_select("base", "Base checkpoint", "checkpoints", "–")}
    </div>
    <div class="tool-row">
      {_number("rank", "Rank", 32, 1024, 1)}
      {_number("conv_rank", "Rank of convolutions (0 = left out)", 0, 1024, 1)}
      {_PRECISION}
    </div>
    {_check("text", "Text encoders, too", on=True)}
    {_text("name", "Name")}
    {_end("Extract Lora", "")}
  </form>
  <form class="maker" data-tool="blocks" aria-label="Block map">
    <h2>Block map</h2>
    <p class="tool-said">How much a Lora changes in each block of the model, from its file alone.</p>
    <label class="webui-field"><span class="caption">Lora</span>
      <input class="webui-input" type="text" name="lora" list="tool_loras" autocomplete="off" spellcheck="false"></label>
    <div class="webui-row"><button type="submit" class="webui-button primary">Show</button></div>
    <div class="block-map" hidden></div>
    <p class="message error" role="alert" hidden></p>
  </form>
</section>
"""
