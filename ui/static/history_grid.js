// The grid of History: a heading for each day, and cells for the part in view only. Ten thousand pictures cost as much as fifty.
webui.pastGrid = (grid, { item, wanted, open }) => {
  const GAP = 8, HEAD = 40, SIDE = 176, PAUSE = 60; // PAUSE: milliseconds that a cell stays before its picture is asked for
  let days = [], columns = 1, side = SIDE, height = 0; // days: { day, count, first, top, height }
  const cells = new Map(), heads = new Map(); // by index; by day

  const lay = groups => {
    const width = grid.clientWidth;
    columns = innerWidth <= 800 ? 2 : Math.max(2, Math.floor((width + GAP) / (SIDE + GAP)));
    side = Math.floor((width - GAP * (columns - 1)) / columns);
    let top = 0, first = 0;
    days = groups.map(([day, count]) => {
      const rows = Math.ceil(count / columns), one = { day, count, first, top, height: HEAD + rows * (side + GAP) };
      top += one.height;
      first += count;
      return one;
    });
    height = top;
    grid.style.height = `${height}px`;
    clear();
    draw();
  };

  const clear = () => {
    for (const cell of cells.values()) cell.remove();
    for (const head of heads.values()) head.remove();
    cells.clear();
    heads.clear();
  };

  const spot = index => {
    const day = days.find(one => index < one.first + one.count), inside = index - day.first;
    return { left: (inside % columns) * (side + GAP), top: day.top + HEAD + Math.floor(inside / columns) * (side + GAP) };
  };

  const seen = () => {
    const above = -grid.getBoundingClientRect().top, from = above - side, to = above + innerHeight + side, indexes = new Set();
    const inView = days.filter(day => day.top < to && day.top + day.height > from);
    for (const day of inView) {
      const row = Math.max(0, Math.floor((from - day.top - HEAD) / (side + GAP))), last = Math.floor((to - day.top - HEAD) / (side + GAP));
      for (let index = row * columns; index < Math.min(day.count, (last + 1) * columns); index++) indexes.add(day.first + index);
    }
    return { inView, indexes };
  };

  const draw = () => {
    if (!grid.getClientRects().length) return;
    const { inView, indexes } = seen(), shown = new Set(inView.map(day => day.day));
    for (const [index, cell] of cells) if (!indexes.has(index)) { cell.remove(); cells.delete(index); }
    for (const [day, head] of heads) if (!shown.has(day)) { head.remove(); heads.delete(day); }
    for (const day of inView) if (!heads.has(day.day)) heads.set(day.day, place(heading(day), 0, day.top));
    for (const index of indexes) if (!cells.has(index)) put(index);
    wanted([...indexes].filter(index => !item(index)));
  };

  // In the order of the pictures, as keys and screen readers go.
  const put = index => {
    const at = spot(index), cell = place(make(index), at.left, at.top);
    const before = [...cells.keys()].filter(other => other < index);
    cells.set(index, cell);
    if (before.length) cells.get(Math.max(...before)).after(cell);
  };

  const place = (element, left, top) => {
    element.style.transform = `translate(${left}px, ${top}px)`;
    grid.append(element);
    return element;
  };

  const heading = day => {
    const head = webui.make('h3', 'past-head', new Date(`${day.day}T12:00`).toLocaleDateString('en', { weekday: 'short', day: 'numeric', month: 'long', year: 'numeric' }));
    head.append(webui.make('span', '', ` ${day.count.toLocaleString('en')}`));
    return head;
  };

  const make = index => {
    const one = item(index), cell = webui.make('div', 'shot'), button = webui.make('button', '');
    cell.setAttribute('role', 'listitem');
    cell.style.width = cell.style.height = `${side}px`;
    button.type = 'button';
    button.dataset.index = index;
    cell.append(button);
    if (one) fill(button, one);
    return cell;
  };

  const fill = (button, one) => {
    const same = button.dataset.picture === `${one.name} ${one.version}`;
    button.setAttribute('aria-label', one.prompt || one.file);
    button.title = [one.file, one.prompt].filter(Boolean).join('\n');
    if (same) return;
    button.dataset.picture = `${one.name} ${one.version}`;
    const image = document.createElement('img');
    image.alt = '';
    image.decoding = 'async';
    image.addEventListener('error', () => { image.remove(); button.textContent = one.file; });
    setTimeout(() => { if (image.isConnected) image.src = webui.pastAddress('thumbnail', one); }, PAUSE);
    button.replaceChildren(image);
  };

  // The pictures that were wanted have come.
  const filled = () => { for (const [index, cell] of cells) if (item(index)) fill(cell.firstChild, item(index)); };

  const total = () => (days.length ? days[days.length - 1].first + days[days.length - 1].count : 0);

  const show = index => {
    if (!grid.getClientRects().length) return;
    const at = spot(index), top = grid.getBoundingClientRect().top + at.top;
    if (top < 120) scrollBy(0, top - 120);
    if (top + side > innerHeight - 20) scrollBy(0, top + side - innerHeight + 20);
    draw();
    cells.get(index)?.firstChild.focus({ preventScroll: true });
  };

  grid.addEventListener('click', event => {
    const button = event.target.closest('.shot button');
    if (button && item(Number(button.dataset.index))) open(Number(button.dataset.index));
  });
  grid.addEventListener('keydown', event => {
    const button = event.target.closest('.shot button'), by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (!button || !by || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    show(Math.min(total() - 1, Math.max(0, Number(button.dataset.index) + by)));
  });

  return { lay, draw, filled, show };
};

webui.pastAddress = (what, one) => `internal/history/${what}/${one.name.split('/').map(encodeURIComponent).join('/')}?v=${one.version}`;
