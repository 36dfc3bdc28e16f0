// History: what is asked for, and the portions that have come. The server knows the pictures; nothing is asked before the tab is opened.
webui.past = (() => {
  const PORTION = 100, EVERY = 1500; // milliseconds between looks while the tab is in view
  const FACETS = { lora: ['All Loras', 'loras'], model: ['All checkpoints', 'models'], day: ['All days', 'days'] };
  const query = { search: '', lora: '', model: '', day: '', folder: '' };
  let root = null, grid = null, view = null, answer = null, items = [], asking = new Set(), round = 0, width = 0;

  const part = name => root.querySelector(`.past-${name}`);
  const visible = () => root.isConnected && root.getClientRects().length > 0 && document.visibilityState === 'visible';

  const attach = element => {
    root = element.querySelector('.past');
    grid = webui.pastGrid(part('grid'), { item: index => items[index], wanted: indexes => indexes.forEach(index => portion(Math.floor(index / PORTION) * PORTION)), open: index => view.open(index) });
    view = webui.pastView(part('view'), {
      item: index => items[index],
      count: () => (answer ? answer.found : 0),
      load: index => portion(Math.floor(index / PORTION) * PORTION),
      choose: lora => { query.lora = lora; ask(); },
      removed: ask,
      closed: index => { if (answer?.found) grid.show(Math.min(index, answer.found - 1)); },
    });
    part('search').addEventListener('input', webui.later(120, () => { query.search = part('search').value; ask(); }));
    for (const facet of Object.keys(FACETS)) part(facet).addEventListener('change', () => { query[facet] = part(facet).value; ask(); });
    addEventListener('scroll', () => requestAnimationFrame(() => { if (answer) grid.draw(); }), { passive: true });
    new ResizeObserver(() => {
      const now = part('grid').clientWidth;
      if (!answer || !now || now === width) return;
      width = now;
      grid.lay(answer.groups);
    }).observe(part('grid'));
    ask();
    setInterval(look, EVERY);
  };

  const address = start => `internal/history?${new URLSearchParams({ ...query, start, count: PORTION })}`;

  // From the start: of another question, or because pictures have come or gone. The place in the page stays.
  const ask = async () => {
    const mine = ++round;
    try {
      const told = await webui.getJSON(address(0));
      if (mine !== round) return;
      const same = answer && JSON.stringify(answer.groups) === JSON.stringify(told.groups);
      answer = told;
      asking = new Set([0]);
      items = told.pictures;
      width = part('grid').clientWidth;
      choices();
      chips();
      say();
      if (same) grid.filled(); else grid.lay(answer.groups);
      grid.draw();
    } catch {
      if (mine === round) part('count').textContent = 'No connection to the server.';
    }
  };

  const portion = async start => {
    if (asking.has(start)) return;
    asking.add(start);
    const mine = round;
    try {
      const told = await webui.getJSON(address(start));
      if (mine !== round) return;
      told.pictures.forEach((one, index) => { items[start + index] = one; });
      grid.filled();
    } catch {
      setTimeout(() => { if (mine === round) { asking.delete(start); grid.draw(); } }, EVERY);
    }
  };

  const look = async () => {
    if (!visible() || part('view').open || !answer) return;
    const told = await fetch(`internal/history/state?revision=${answer.revision}`).catch(() => null);
    if (told?.status === 200) ask();
  };

  const choices = () => {
    for (const [facet, [all, key]] of Object.entries(FACETS)) {
      const box = part(facet), values = answer[key];
      const listed = query[facet] && !values.some(([value]) => value === query[facet]) ? [[query[facet], 0], ...values] : values;
      if (document.activeElement === box && box.dataset.values === JSON.stringify(listed)) continue;
      box.dataset.values = JSON.stringify(listed);
      box.replaceChildren(new Option(all, ''), ...listed.map(([value, number]) => new Option(`${value} (${number.toLocaleString('en')})`, value)));
      box.value = query[facet];
      box.dataset.chosen = String(!!query[facet]);
    }
  };

  const chips = () => {
    const every = answer.folders.reduce((sum, [, number]) => sum + number, 0);
    const list = [['All', '', every], ...answer.folders.map(([folder, number]) => [folder.replace(/^.*\//, ''), folder, number])];
    part('chips').replaceChildren(...list.map(([text, folder, number]) => {
      const button = webui.make('button', 'chip', `${text} `);
      button.type = 'button';
      button.title = folder;
      button.append(webui.make('b', '', number.toLocaleString('en')));
      button.setAttribute('aria-pressed', String(query.folder === folder));
      button.addEventListener('click', () => { query.folder = folder; ask(); });
      return button;
    }));
  };

  const say = () => {
    const { total, found, unread } = answer, plural = number => `${number.toLocaleString('en')} picture${number === 1 ? '' : 's'}`;
    const numbers = found === total ? plural(total) : `${found.toLocaleString('en')} of ${plural(total)}`;
    part('count').textContent = unread ? `${numbers} – ${unread.toLocaleString('en')} still to be read` : numbers;
    part('nothing').hidden = found > 0;
    part('nothing').textContent = total ? 'Nothing like that. Try fewer words, or other filters.' : 'The pictures that you make are listed here.';
  };

  return { attach };
})();
