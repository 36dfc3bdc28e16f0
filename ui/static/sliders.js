// One row per LoRA tag of the prompt, under it. The text is the truth: rows are read from it and write into it, without the server.
webui.sliders = (() => {
  const STEP = 0.05, LOW = -1, HIGH = 2;
  const panels = {}; // tab → { root, rows }
  const known = new Map(); // name in a tag → what the server says of the file, null: there is none
  let catalog = null, timer = 0;

  const attach = (element, tab) => {
    panels[tab] = { tab, root: element.querySelector('.loras'), rows: [] };
    const root = panels[tab].root;
    root.querySelector('.undo').addEventListener('click', () => webui.history.undo(tab));
    root.querySelector('.redo').addEventListener('click', () => webui.history.redo(tab));
    webui.drafts.attach(root, tab);
    show(tab);
    buttons(tab);
  };

  const live = tab => panels[tab] && panels[tab].root.isConnected && panels[tab].root;

  // ---- from the text to the rows

  const wanted = tab => [
    ...webui.prompt.tags(webui.prompt.text(tab)).map((tag, index) => ({ tag, index, on: true })),
    ...webui.prompt.off(tab).map((one, index) => ({ tag: webui.prompt.tags(one.tag)[0], index, on: false })).filter(row => row.tag),
  ];

  const show = tab => {
    const root = live(tab);
    if (!root) return;
    const rows = wanted(tab), panel = panels[tab], list = root.querySelector('.rows');
    const signature = row => `${row.tag.name}|${row.on}|${row.tag.apart}`;
    if (rows.length !== panel.rows.length || rows.some((row, index) => signature(row) !== panel.rows[index].signature)) {
      const focused = list.contains(document.activeElement) && [document.activeElement.closest('.row')?.dataset.at, document.activeElement.dataset.part];
      panel.rows = rows.map((row, at) => ({ ...make(tab, row, at), signature: signature(row) }));
      list.replaceChildren(...panel.rows.map(row => row.element));
      if (focused) list.querySelector(`.row[data-at="${focused[0]}"] [data-part="${focused[1]}"]`)?.focus();
    }
    rows.forEach((row, at) => fill(panel.rows[at], row));
    root.dataset.empty = String(!rows.length);
    if (rows.some(row => !known.has(row.tag.name))) ask();
  };

  const fill = (made, row) => {
    made.row = row;
    const about = known.get(row.tag.name);
    made.element.dataset.missing = String(about === null);
    made.note.textContent = about === null ? 'not found' : row.on ? '' : 'off';
    made.name.title = about ? [about.file, about.fits_text].filter(Boolean).join('\n') : row.tag.name;
    for (const part of made.parts) {
      const value = part.which === 'unet' ? row.tag.unet : row.tag.weight, range = part.range;
      range.min = Math.min(about?.minimum ?? LOW, value);
      range.max = Math.max(about?.maximum ?? HIGH, value);
      if (document.activeElement !== range || Math.abs(range.valueAsNumber - value) > STEP / 2) range.value = value;
      if (document.activeElement !== part.number || parseFloat(part.number.value) !== value) part.number.value = webui.prompt.round(value);
      range.style.setProperty('--filled', `${(100 * (value - range.min)) / (range.max - range.min || 1)}%`);
    }
  };

  const make = (tab, row, at) => {
    const element = webui.make('div', 'row'), name = webui.make('span', 'name', row.tag.name), note = webui.make('span', 'note');
    element.dataset.at = at;
    element.dataset.on = String(row.on);
    element.setAttribute('role', 'group');
    element.setAttribute('aria-label', row.tag.name);
    const made = { element, name, note, row, parts: [] };
    const flip = button('switch', '', `${row.tag.name} on`, 'switch', () => (made.row.on
      ? webui.prompt.switchOff(tab, current(tab, made)) : webui.prompt.switchOn(tab, made.row.index)));
    flip.setAttribute('role', 'switch');
    flip.setAttribute('aria-checked', String(row.on));
    const apart = button('apart', 'TE · U-Net', `${row.tag.name}: text encoder and U-Net apart`, 'apart', () => edit(tab, made, tag => webui.prompt.apart(tag, !tag.apart), ''));
    apart.setAttribute('aria-pressed', String(row.tag.apart));
    apart.title = 'Weights of text encoder and U-Net apart';
    apart.disabled = !row.on;
    const reset = button('icon reset', '↺', `Reset the weight of ${row.tag.name}`, 'reset', () => edit(tab, made, tag => webui.prompt.weighted(
      webui.prompt.tags(tag.apart ? webui.prompt.apart(tag, false) : tag.whole)[0], 'te', known.get(tag.name)?.weight ?? webui.prompt.options().multiplier), ''));
    const remove = button('icon remove', '✕', `Remove ${row.tag.name}`, 'remove', () => take(tab, made));
    const head = webui.make('div', 'head');
    head.append(flip, name, note, apart, reset, remove);
    element.append(head);
    for (const which of row.tag.apart ? ['te', 'unet'] : ['te']) {
      const part = weight(tab, made, which, row.tag.apart ? { te: 'TE', unet: 'U-Net' }[which] : '');
      made.parts.push(part);
      element.append(part.element);
    }
    return made;
  };

  const button = (className, text, label, part, click) => {
    const made = webui.make('button', className, text);
    made.type = 'button';
    made.dataset.part = part;
    made.setAttribute('aria-label', label);
    made.title = label;
    made.addEventListener('click', click);
    return made;
  };

  const weight = (tab, made, which, caption) => {
    const element = webui.make('div', 'weight'), range = document.createElement('input'), number = document.createElement('input');
    const label = [made.row.tag.name, caption, 'weight'].filter(Boolean).join(' ');
    range.type = 'range';
    number.type = 'number';
    range.step = number.step = STEP;
    range.dataset.part = `range-${which}`;
    number.dataset.part = `number-${which}`;
    range.disabled = number.disabled = !made.row.on;
    number.inputMode = 'decimal';
    for (const input of [range, number]) {
      input.setAttribute('aria-label', label);
      input.addEventListener('input', () => {
        if (!Number.isFinite(input.valueAsNumber)) return;
        edit(tab, made, tag => webui.prompt.weighted(tag, which, input.valueAsNumber), `weight ${made.row.index} ${which}`);
      });
    }
    number.addEventListener('blur', () => show(tab));
    const by = (text, sign) => button('icon step', text, `${label} ${sign < 0 ? 'less' : 'more'}`, `step${sign}-${which}`, () =>
      edit(tab, made, tag => webui.prompt.weighted(tag, which, (which === 'unet' ? tag.unet : tag.weight) + sign * STEP), `weight ${made.row.index} ${which}`));
    const less = by('−', -1), more = by('+', 1);
    less.disabled = more.disabled = !made.row.on;
    if (caption) element.append(webui.make('span', 'caption', caption));
    element.append(range, less, number, more);
    return { element, which, range, number };
  };

  // ---- from the rows to the text

  // A tag is found by its ordinal, for a LoRA may stand there twice.
  const current = (tab, made) => webui.prompt.tags(webui.prompt.text(tab))[made.row.index];

  const edit = (tab, made, rewritten, key) => {
    if (!made.row.on) return;
    const tag = current(tab, made);
    if (!tag || tag.name !== made.row.tag.name) return show(tab);
    webui.prompt.change(tab, webui.prompt.swap(webui.prompt.text(tab), tag, rewritten(tag)), key);
    webui.drafts.moved(tab);
  };

  const take = (tab, made) => {
    if (!made.row.on) {
      webui.history.group(tab, '', () => webui.prompt.setOff(tab, webui.prompt.off(tab).filter((_, index) => index !== made.row.index)));
      return;
    }
    const tag = current(tab, made), about = known.get(tag.name);
    webui.history.group(tab, '', () => {
      const { prompt, negative } = webui.prompt.boxes(tab);
      webui.write(prompt, webui.prompt.removed(webui.prompt.without(prompt.value, tag), about?.text));
      if (about?.negative) webui.write(negative, webui.prompt.removed(negative.value, about.negative));
    });
    webui.drafts.moved(tab);
  };

  // ---- what the files' notes say

  const ask = () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const names = [...new Set(Object.keys(panels).flatMap(tab => wanted(tab).map(row => row.tag.name)))].filter(name => !known.has(name)).slice(0, 50);
      if (!names.length) return;
      const query = new URLSearchParams(names.map(name => ['name', name]));
      const answer = await webui.getJSON(`internal/networks/known?${query}`).catch(() => null);
      if (!answer) return;
      for (const name of names) known.set(name, answer.networks[name] || null);
      Object.keys(panels).forEach(tab => { show(tab); webui.networks.marked(tab); });
    }, 250); // while a name is typed, not each letter of it
  };

  const buttons = tab => {
    const root = live(tab);
    if (!root) return;
    const can = webui.history.can(tab);
    root.querySelector('.undo').disabled = !can.undo;
    root.querySelector('.redo').disabled = !can.redo;
  };

  document.addEventListener('input', event => { const tab = webui.prompt.tabOf(event.target); if (tab) show(tab); });
  document.addEventListener('webui:off', event => show(event.detail.tab));
  document.addEventListener('webui:history', event => buttons(event.detail.tab));
  webui.progress.watch(state => {
    if (catalog !== null && catalog !== state.catalog) {
      known.clear();
      Object.keys(panels).forEach(show);
    }
    catalog = state.catalog;
  });

  // The server wrote into a prompt: Gradio fires no input event then.
  const synced = tab => {
    webui.history.note(tab);
    show(tab);
    document.dispatchEvent(new CustomEvent('webui:synced', { detail: { tab } }));
  };

  return { attach, synced, file: name => known.get(name)?.file, forget: () => { known.clear(); Object.keys(panels).forEach(show); } };
})();
