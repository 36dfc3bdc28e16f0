// Names of Loras after "<", embeddings and activation words while one types, and what extensions know; Tab or Enter takes one, Esc closes. The setting prompt_autocomplete turns it off.
webui.complete = (() => {
  const MOST = 8, PAUSE = 120; // milliseconds
  const sources = []; // of extensions: { typed, find }
  let list = null, box = null, found = [], chosen = 0, timer = 0, round = 0;

  const close = () => { round++; clearTimeout(timer); list?.remove(); list = null; };

  // What stands before the caret: what a source knows, the start of a tag, or of a word.
  const typed = () => {
    const head = box.value.slice(0, box.selectionStart);
    for (const { typed, find } of sources) {
      const known = typed(head);
      if (known) return { ...known, find };
    }
    const tag = /<(?:lora:?|lor|lo|l)?([^<>:,]*)$/i.exec(head);
    if (tag) return { from: tag.index, text: tag[1].trim(), tag: true };
    const word = /[^\s,()[\]<>:|]{2,}$/.exec(head);
    return word ? { from: word.index, text: word[0], tag: false } : null;
  };

  const ask = async () => {
    const asked = typed(), mine = ++round;
    if (!asked || !webui.prompt.options().autocomplete) return close();
    const suggested = asked.find ? await asked.find(asked.text).catch(() => []) : await known(asked);
    if (mine !== round || document.activeElement !== box) return;
    found = suggested.slice(0, MOST);
    if (found.length) show(asked); else close();
  };
  const known = async asked => {
    const search = kind => webui.getJSON(`internal/library/${kind}?${new URLSearchParams({ search: asked.text, count: 40, sort: 'uses', descending: true })}`).then(answer => answer.entries, () => []);
    const [loras, embeddings] = await Promise.all([search('lora'), asked.tag ? [] : search('embedding')]);
    return asked.tag ? loras.map(lora) : [...starting(embeddings, asked.text), ...words(loras, asked.text)];
  };
  const lora = entry => {
    const weight = entry.weight === 1 ? webui.prompt.options().multiplier : entry.weight;
    const tag = `<lora:${webui.cards.tagName(entry)}:${webui.prompt.round(weight)}>`;
    return { what: entry.stem, of: entry['activation text'], text: [tag, entry['activation text']].filter(Boolean).join(' ') };
  };
  const begins = (text, start) => text.toLowerCase().startsWith(start.toLowerCase()) && text.length > start.length;
  const starting = (entries, start) => entries.filter(entry => begins(entry.stem, start)).map(entry => ({ what: entry.stem, of: 'embedding', text: entry.stem }));
  const words = (entries, start) => {
    const seen = new Map();
    for (const entry of entries) {
      for (const word of entry['activation text'].split(',').map(each => each.trim())) if (begins(word, start) && !seen.has(word)) seen.set(word, entry.stem);
    }
    return [...seen].map(([word, stem]) => ({ what: word, of: stem, text: word }));
  };

  const show = asked => {
    list?.remove();
    list = webui.make('ul', 'completions');
    list.setAttribute('role', 'listbox');
    list.setAttribute('aria-label', 'Suggestions');
    chosen = 0;
    list.append(...found.map((one, index) => {
      const item = document.createElement('li');
      item.setAttribute('role', 'option');
      item.append(webui.make('span', 'what', one.what), webui.make('span', 'of', one.of));
      item.addEventListener('pointerdown', event => { event.preventDefault(); take(index, asked); });
      return item;
    }));
    list.asked = asked;
    mark();
    (document.querySelector('.gradio-container') || document.body).append(list);
    const place = box.getBoundingClientRect(), below = innerHeight - place.bottom > 200;
    list.style.left = `${Math.min(place.left + 12, innerWidth - list.offsetWidth - 12)}px`;
    list.style.top = below ? `${place.bottom + 4}px` : `${Math.max(8, place.top - list.offsetHeight - 4)}px`;
  };
  const mark = () => [...list.children].forEach((item, index) => item.setAttribute('aria-selected', String(index === chosen)));

  const take = (index, asked) => {
    const { text } = found[index], end = box.selectionStart, tab = webui.prompt.tabOf(box);
    close();
    webui.history.group(tab, '', () => webui.write(box, box.value.slice(0, asked.from) + text + box.value.slice(end)));
    box.setSelectionRange(asked.from + text.length, asked.from + text.length);
    close();
  };

  document.addEventListener('input', event => {
    if (!event.isTrusted || event.isComposing || !webui.prompt.tabOf(event.target)) return;
    box = event.target;
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  });
  document.addEventListener('keydown', event => {
    if (!list || event.target !== box || event.ctrlKey || event.altKey || event.metaKey) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) { chosen = (chosen + step + found.length) % found.length; mark(); }
    else if (event.key === 'Tab' || event.key === 'Enter') take(chosen, list.asked);
    else if (event.key === 'Escape') close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  document.addEventListener('focusout', event => { if (event.target === box) close(); });

  // typed: the text before the caret → { from, text }, where what is being typed begins and what of it is there; null: nothing of this source's.
  // find: that text → a promise of suggestions { what, of, text }: what is shown, what stands beside it, what is written in place of what was typed.
  return { source: (typed, find) => sources.push({ typed, find }) };
})();
