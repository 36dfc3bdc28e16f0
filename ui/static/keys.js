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
    if (what && click(`txt2img_${what}`)) {
      event.preventDefault();
      event.stopPropagation();
    }
  }, true);

  // What A1111 says when the mouse rests on a small button.
  const TITLES = {
    txt2img_res_switch_btn: 'Switch width and height',
    txt2img_random_seed: 'Set seed to -1, which will cause a new random number to be used every time',
    txt2img_reuse_seed: 'Reuse seed from last generation, mostly useful if it was randomized',
    txt2img_random_subseed: 'Set seed to -1, which will cause a new random number to be used every time',
    txt2img_reuse_subseed: 'Reuse seed from last generation, mostly useful if it was randomized',
    txt2img_interrupt: 'Interrupt (Esc)',
    txt2img_skip: 'Skip (Alt+Enter)',
    txt2img_generate: 'Generate (Ctrl+Enter)',
  };

  webui.titles = () => {
    for (const [id, title] of Object.entries(TITLES)) {
      const button = document.getElementById(id);
      if (!button) continue;
      button.title = title;
      if (button.classList.contains('tool')) button.setAttribute('aria-label', title);
    }
  };
})();
