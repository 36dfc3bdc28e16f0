// Cards of embeddings, checkpoints and Loras: the server searches and sorts, the page holds the part that is seen. Ten thousand files cost
// as much as fifty: cards are made for the visible rows only, and the files of those are asked for in portions.
webui.networks = (() => {
  const PORTION = 60, GAP = 10, TEXT = 50, ROW = 58, MOST = 34, FITS = 'all,part'; // MOST: cards that exist at once
  const panels = [];
  let catalog = null, picked = '', checkpoint = '', chosen = null;

  const NOUN = { lora: 'Lora', embedding: 'embedding', checkpoint: 'checkpoint' };
  const FOLDER = { lora: 'models/Lora', embedding: 'embeddings', checkpoint: 'models/Stable-diffusion' };

  const stored = key => localStorage.getItem(`webui-cards-${key}`) || '';
  const store = (key, value) => localStorage.setItem(`webui-cards-${key}`, value);

  const attach = (element, tab, kind) => {
    const root = element.querySelector('.networks');
    const panel = {
      tab, kind, root, part: selector => root.querySelector(selector), cards: new Map(), items: [], found: 0, total: 0, answer: null, round: 0,
      query: { search: '', folder: '', sort: stored(`${kind}-sort`) || 'path', descending: stored(`${kind}-down`) === '1', family: '', fits: '', favourites: false },
      view: stored('view') || 'cards', size: Number(stored('size')) || 148, asking: new Set(),
    };
    panels.push(panel);
    tools(panel);
    const scroller = panel.part('.scroller');
    scroller.addEventListener('scroll', () => requestAnimationFrame(() => draw(panel)), { passive: true });
    scroller.addEventListener('keydown', event => arrows(panel, event));
    new ResizeObserver(() => { if (scroller.clientWidth && scroller.clientWidth !== panel.width) draw(panel); }).observe(scroller);
    ask(panel);
  };

  // ---- the bar

  const tools = panel => {
    const { part, query } = panel;
    const search = part('.search'), sort = part('.sort'), direction = part('.direction'), view = part('.view'), tree = part('.tree'), size = part('.size');
    search.placeholder = 'Search name, trigger words, tags, hash…';
    search.setAttribute('aria-label', `Search ${NOUN[panel.kind]}s`);
    search.addEventListener('input', () => { query.search = search.value; ask(panel, true); });
    sort.value = query.sort;
    sort.addEventListener('change', () => {
      query.sort = sort.value;
      query.descending = !['path', 'name'].includes(sort.value); // newest, largest, most used first
      store(`${panel.kind}-sort`, query.sort);
      directed(panel);
    });
    direction.addEventListener('click', () => { query.descending = !query.descending; directed(panel); });
    view.addEventListener('click', () => { panel.view = panel.view === 'cards' ? 'list' : 'cards'; store('view', panel.view); viewed(panel); });
    tree.addEventListener('click', () => { store('tree', stored('tree') === '1' ? '' : '1'); webui.folders.show(panel, pick); });
    size.value = panel.size;
    size.addEventListener('input', () => { panel.size = size.valueAsNumber; store('size', panel.size); viewed(panel); });
    directed(panel, false);
    viewed(panel);
  };
  const directed = (panel, again = true) => {
    const button = panel.part('.direction'), down = panel.query.descending;
    button.textContent = down ? '↓' : '↑';
    button.setAttribute('aria-pressed', String(down));
    store(`${panel.kind}-down`, down ? '1' : '');
    if (again) ask(panel, true);
  };
  const viewed = panel => {
    panel.root.dataset.view = panel.view;
    panel.part('.view').setAttribute('aria-pressed', String(panel.view === 'list'));
    panel.part('.size').disabled = panel.view === 'list';
    drop(panel);
    draw(panel);
  };
  const pick = (panel, folder) => { panel.query.folder = panel.query.folder === folder ? '' : folder; ask(panel, true); };

  // ---- asking

  const address = (panel, start, count = PORTION, more = {}) => {
    const query = { ...panel.query, start, count, checkpoint, ...more };
    return `internal/library/${panel.kind}?${new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '' && value !== false))}`;
  };

  // From the top (`fresh`: of another question), or the same place again because files have changed.
  const ask = async (panel, fresh = false) => {
    const round = ++panel.round, { first } = seen(panel), start = fresh ? 0 : Math.max(0, Math.floor(first / PORTION) * PORTION);
    panel.asking.clear();
    try {
      const answer = await webui.getJSON(address(panel, start));
      if (round !== panel.round) return;
      if (fresh) panel.part('.scroller').scrollTop = 0;
      panel.items = [];
      take(panel, start, answer);
      chips(panel);
      webui.folders.show(panel, pick);
      refused(panel);
      drop(panel);
    } catch {
      if (round === panel.round) setTimeout(() => { if (round === panel.round) ask(panel, fresh); }, 1500);
      return;
    }
    draw(panel);
    panel.ready = true;
    webui.previews.show();
  };
  const take = (panel, start, answer) => {
    Object.assign(panel, { answer, found: answer.found, total: answer.total });
    answer.entries.forEach((entry, index) => { panel.items[start + index] = entry; });
  };
  const more = async (panel, start) => {
    if (panel.asking.has(start)) return;
    panel.asking.add(start);
    const round = panel.round;
    try {
      const answer = await webui.getJSON(address(panel, start));
      if (round !== panel.round) return;
      panel.asking.delete(start); // what an answer to `ask` takes away now is asked for again
      if (answer.revision !== panel.answer.revision) return ask(panel);
      take(panel, start, answer);
      draw(panel);
    } catch {
      setTimeout(() => { panel.asking.delete(start); draw(panel); }, 1500);
    }
  };

  // ---- chips: what there is, with numbers, whether shown or not

  const chips = panel => {
    const { query, answer } = panel, row = panel.part('.chips-of-families'), had = row.contains(document.activeElement) && document.activeElement.dataset.chip;
    const list = [chip('all', 'All', panel.total, !query.family && !query.favourites && !query.fits, () => Object.assign(query, { family: '', fits: '', favourites: false }))];
    const families = Object.entries(answer.families || {});
    if (families.length > 1 || (families.length && families[0][0])) {
      for (const [family, number] of families) {
        list.push(chip(`family ${family}`, family || 'unknown', number, query.family === family, () => { query.family = query.family === family ? '' : family; }));
      }
    }
    if (panel.kind !== 'checkpoint' && answer.checkpoint) {
      list.push(chip('fits', 'fits this checkpoint', panel.counts?.fits ?? null, query.fits === FITS, () => { query.fits = query.fits ? '' : FITS; }, answer.checkpoint.name || ''));
    }
    list.push(chip('favourites', '★', panel.counts?.favourites ?? null, query.favourites, () => { query.favourites = !query.favourites; }, 'Favourites'));
    if (answer.refused.length) list.push(chip('refused', 'cannot be used', answer.refused.length, panel.refusedShown, () => { panel.refusedShown = !panel.refusedShown; }));
    row.replaceChildren(...list.map(({ click, ...made }) => { made.button.addEventListener('click', () => { click(); ask(panel, true); }); return made.button; }));
    if (had) row.querySelector(`[data-chip="${CSS.escape(had)}"]`)?.focus();
    count(panel);
  };
  const chip = (id, text, number, on, click, title = '') => {
    const button = webui.make('button', 'chip', text);
    button.type = 'button';
    button.dataset.chip = id;
    button.setAttribute('aria-pressed', String(!!on));
    if (title) button.title = title;
    numbered(button, number);
    return { button, click };
  };
  const numbered = (button, number) => {
    if (button.dataset.chip === 'favourites') button.setAttribute('aria-label', `Favourites ${number ?? ''}`);
    if (number === null) return;
    const place = button.querySelector('b') || webui.make('b', '');
    place.textContent = number.toLocaleString('en');
    if (!place.parentNode) button.append(' ', place);
  };
  // How many the chips stand for; asked when files, marks or the checkpoint change, and not for each letter of a search.
  const count = async panel => {
    const state = `${panel.answer.revision} ${checkpoint} ${panel.answer.checkpoint?.name}`;
    if (panel.counted === state) return;
    panel.counted = state;
    const everything = { search: '', folder: '', family: '', fits: '', favourites: false };
    const found = async more => (await webui.getJSON(address(panel, 0, 0, { ...everything, ...more }))).found;
    try {
      const fits = panel.kind !== 'checkpoint' && panel.answer.checkpoint ? await found({ fits: FITS }) : null, favourites = await found({ favourites: true });
      if (panel.counted !== state) return;
      panel.counts = { fits, favourites };
      for (const [id, number] of Object.entries(panel.counts)) {
        const button = panel.part(`[data-chip=${id}]`);
        if (button) numbered(button, number);
      }
    } catch { panel.counted = ''; } // the next answer asks again
  };
  const refused = panel => {
    const box = panel.part('.refused'), list = panel.answer.refused;
    box.hidden = !panel.refusedShown || !list.length;
    box.replaceChildren(...(box.hidden ? [] : list.slice(0, 50)).map(one => {
      const line = webui.make('p', '');
      line.append(webui.make('b', '', one.name), ` – ${one.reason}`);
      return line;
    }));
    if (list.length > 50 && !box.hidden) box.append(webui.make('p', '', `and ${list.length - 50} more`));
  };

  // ---- the visible part

  const layout = panel => {
    const width = panel.part('.cards').clientWidth || panel.part('.scroller').clientWidth;
    panel.width = panel.part('.scroller').clientWidth;
    if (panel.view === 'list') return { columns: 1, width, height: ROW, gap: 0 };
    const phone = innerWidth <= 800 && panel.size <= 170, columns = phone ? 2 : Math.max(1, Math.floor((width + GAP) / (panel.size + GAP)));
    const card = (width - GAP * (columns - 1)) / columns;
    return { columns, width: card, height: Math.round(card) + TEXT, gap: GAP };
  };
  const seen = panel => {
    const { columns, height, gap } = layout(panel), scroller = panel.part('.scroller'), step = height + gap;
    const row = Math.max(0, Math.floor(scroller.scrollTop / step)), rows = Math.ceil((scroller.clientHeight || 600) / step) + 1;
    return { first: row * columns, last: row * columns + Math.min(rows * columns, Math.max(MOST, columns)) };
  };

  const drop = panel => { for (const card of panel.cards.values()) card.element.remove(); panel.cards.clear(); };

  const draw = panel => {
    if (!panel.root.isConnected || !panel.answer || !panel.part('.scroller').clientWidth) return;
    const shape = layout(panel), { first, last } = seen(panel), list = panel.part('.cards'), step = shape.height + shape.gap;
    const rows = Math.ceil(panel.found / shape.columns), signature = `${shape.columns} ${shape.width} ${shape.height}`;
    list.style.height = `${Math.max(0, rows * step - shape.gap)}px`;
    if (signature !== panel.signature) drop(panel);
    panel.signature = signature;
    for (const [index, card] of panel.cards) {
      if (index < first || index >= last || index >= panel.found || (card.empty && panel.items[index])) { card.element.remove(); panel.cards.delete(index); }
    }
    for (let index = first; index < Math.min(last, panel.found); index++) {
      if (panel.cards.has(index)) continue;
      const entry = panel.items[index], card = entry ? webui.cards.make(panel, entry, index) : { element: webui.make('div', 'card waiting'), empty: true };
      const { element } = card;
      element.style.width = `${shape.width}px`;
      element.style.height = `${shape.height}px`;
      element.style.transform = `translate(${(index % shape.columns) * (shape.width + shape.gap)}px, ${Math.floor(index / shape.columns) * step}px)`;
      panel.cards.set(index, card);
      const next = list.querySelector(`[data-index="${index + 1}"]`);
      if (next) next.before(element); else list.append(element);
      if (!entry) more(panel, Math.floor(index / PORTION) * PORTION);
    }
    panel.columns = shape.columns;
    webui.cards.mark(panel);
    say(panel);
  };

  const say = panel => {
    const nothing = panel.part('.nothing'), many = panel.total.toLocaleString('en'), noun = `${NOUN[panel.kind]}${panel.total === 1 ? '' : 's'}`;
    nothing.hidden = panel.found > 0;
    nothing.textContent = panel.total ? 'Nothing like that. Try fewer letters, or All.' : `No ${NOUN[panel.kind]} yet. Put files into ${FOLDER[panel.kind]}, or drop them onto this page.`;
    panel.part('.count').textContent = panel.found === panel.total ? `${many} ${noun}` : `${panel.found.toLocaleString('en')} of ${many} ${noun}`;
  };

  const arrows = (panel, event) => {
    const card = event.target.closest('.card'), by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -panel.columns, ArrowDown: panel.columns }[event.key];
    if (!card || !by || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const index = Math.min(panel.found - 1, Math.max(0, Number(card.dataset.index) + by)), { height, gap, columns } = layout(panel);
    const scroller = panel.part('.scroller'), top = Math.floor(index / columns) * (height + gap);
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    if (top + height > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + height - scroller.clientHeight;
    draw(panel);
    panel.cards.get(index)?.element.querySelector('.pick')?.focus({ preventScroll: true });
  };

  // ---- news

  const recount = panel => { panel.counted = ''; ask(panel); };

  const refreshAll = () => { for (const panel of panels) if (panel.root.isConnected) ask(panel); };
  const marked = tab => { for (const panel of panels) if (panel.tab === tab && panel.root.isConnected) webui.cards.mark(panel); };

  document.addEventListener('input', event => { const tab = webui.prompt.tabOf(event.target); if (tab) marked(tab); });
  document.addEventListener('webui:synced', event => marked(event.detail.tab));
  webui.progress.watch(state => {
    if (catalog !== null && catalog !== state.catalog) refreshAll();
    catalog = state.catalog;
  });

  return {
    attach, refreshAll, panels, ask, recount, marked,
    get picked() { return picked; },
    choose: entry => { picked = entry.file; chosen(); },
    onChoose: fire => { chosen = fire; }, // from Python's side: picked is to be chosen
    // Another checkpoint is chosen: badges are about that one.
    checkpoint: name => { if (checkpoint !== (name || '')) { checkpoint = name || ''; refreshAll(); } },
    current: () => checkpoint,
    kindShown: () => { const panel = panels.find(each => each.root.isConnected && each.root.offsetParent); return panel ? panel.kind : ''; },
  };
})();
