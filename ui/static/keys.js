// Ctrl+Enter generates, Esc interrupts, Alt+Enter skips. Capture phase, so that no text box eats them.
(() => {
  const click = id => {
    const button = document.getElementById(id);
    if (!button || button.disabled) return false;
    button.click();
    return true;
  };

  const wanted = event => {
    if (event.isComposing || event.repeat) return null;
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) return 'generate';
    if (event.key === 'Enter' && event.altKey) return 'skip';
    if (event.key === 'Escape' && !document.querySelector('ul[role=listbox]')) return 'interrupt'; // an open drop-down closes first
    return null;
  };

  document.addEventListener('keydown', event => {
    const what = wanted(event);
    if (what && !document.querySelector('dialog[open]') && click(`${webui.tab()}_${what}`)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);

  // What A1111 says when the mouse rests on a small button.
  const REUSE = 'Reuse seed from last generation, mostly useful if it was randomized';
  const DICE = 'Set seed to -1, which will cause a new random number to be used every time';
  const TITLES = {
    res_switch_btn: 'Switch width and height',
    random_seed: DICE,
    reuse_seed: REUSE,
    random_subseed: DICE,
    reuse_subseed: REUSE,
    interrupt: 'Interrupt (Esc)',
    skip: 'Skip (Alt+Enter)',
    generate: 'Generate (Ctrl+Enter)',
    paste: 'Read generation parameters from the prompt, or from the last picture if the prompt is empty',
    clear_prompt: 'Clear prompt',
    style_apply: 'Apply all selected styles to the prompts and take them off the list',
    styles_edit_button: 'Edit styles',
  };

  webui.titles = () => {
    for (const tab of ['txt2img', 'img2img', 'extras']) {
      for (const [name, title] of Object.entries(TITLES)) {
        const button = document.getElementById(name === 'paste' && tab === 'txt2img' ? 'paste' : `${tab}_${name}`);
        if (!button) continue;
        button.title = title;
        if (button.classList.contains('tool')) button.setAttribute('aria-label', title);
      }
    }
  };
})();
