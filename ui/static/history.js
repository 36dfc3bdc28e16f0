// Undo and redo of both prompts of a tab, whoever changed them: typing, a card, a slider, the server. In place of the browser's own,
// which forgets everything as soon as a script writes into a box.
webui.history = (() => {
  const MOST = 200, PAUSE = 900; // steps kept; milliseconds after which typing or dragging starts a new step
  const tabs = {};
  let grouped = false;

  const of = tab => (tabs[tab] ||= { past: [], future: [], now: look(tab), key: '', at: 0 });
  const look = tab => {
    const { prompt, negative } = webui.prompt.boxes(tab);
    return { prompt: prompt ? prompt.value : '', negative: negative ? negative.value : '', off: webui.prompt.off(tab) };
  };
  const same = (a, b) => a.prompt === b.prompt && a.negative === b.negative && JSON.stringify(a.off) === JSON.stringify(b.off);

  // What the boxes hold now becomes a step. Steps with one key (not '') that follow each other quickly are one.
  const note = (tab, key = '') => {
    if (grouped) return;
    const stack = of(tab), now = look(tab);
    if (same(stack.now, now)) return;
    const goesOn = key && key === stack.key && Date.now() - stack.at < PAUSE;
    if (!goesOn) stack.past = [...stack.past, stack.now].slice(-MOST);
    Object.assign(stack, { now, key, at: Date.now(), future: [] });
    told(tab);
  };

  // All that `change` does is one step.
  const group = (tab, key, change) => {
    if (grouped) return change();
    note(tab); // what came unnoticed until now
    grouped = true;
    try { change(); } finally { grouped = false; }
    note(tab, key);
  };

  const go = (tab, from, to) => {
    note(tab);
    const stack = of(tab);
    if (!stack[from].length) return;
    const wanted = stack[from].pop(), { prompt, negative } = webui.prompt.boxes(tab);
    stack[to].push(stack.now);
    Object.assign(stack, { now: wanted, key: '' });
    grouped = true;
    webui.prompt.setOff(tab, wanted.off);
    if (prompt.value !== wanted.prompt) webui.write(prompt, wanted.prompt);
    if (negative.value !== wanted.negative) webui.write(negative, wanted.negative);
    grouped = false;
    told(tab);
  };
  const undo = tab => go(tab, 'past', 'future');
  const redo = tab => go(tab, 'future', 'past');

  const told = tab => document.dispatchEvent(new CustomEvent('webui:history', { detail: { tab } }));
  const can = tab => ({ undo: of(tab).past.length > 0, redo: of(tab).future.length > 0 });

  document.addEventListener('focusin', event => { const tab = webui.prompt.tabOf(event.target); if (tab) of(tab); });
  document.addEventListener('beforeinput', event => {
    const tab = webui.prompt.tabOf(event.target);
    if (!tab || !/^history/.test(event.inputType)) return;
    event.preventDefault();
    (event.inputType === 'historyUndo' ? undo : redo)(tab);
  }, true);
  document.addEventListener('input', event => {
    const tab = webui.prompt.tabOf(event.target);
    if (tab) note(tab, event.isTrusted ? `typing ${event.data === ' ' || event.data === ','}` : '');
  });
  document.addEventListener('keydown', event => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || event.isComposing) return;
    const tab = webui.prompt.tabOf(event.target), key = event.key.toLowerCase();
    if (!tab || (key !== 'z' && key !== 'y')) return;
    event.preventDefault();
    (key === 'y' || event.shiftKey ? redo : undo)(tab);
  }, true);

  return { note, group, undo, redo, can };
})();
