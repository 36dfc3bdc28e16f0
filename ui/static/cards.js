// One card: picture, badge, name; and what a click on it does to the prompts.
webui.cards = (() => {
  const BADGES = { all: 'fits', part: 'fits in part', none: 'other family', damaged: 'damaged' };

  // The shortest name that means this file.
  const tagName = entry => entry.tag || (entry.name.includes('/') && entry.shared ? entry.name : entry.stem);
  // Whether a tag means this file: as the server says, as soon as it has said so.
  const means = (name, entry) => (webui.sliders.file(name) ? webui.sliders.file(name) === entry.file : [entry.tag || entry.stem, entry.name, entry.file].includes(name));

  const badge = entry => {
    if (entry.fits === 'part' && entry.layers) return `${entry.fitting} of ${entry.layers} layers`;
    if (entry.fits === 'none') return entry.family ? `${entry.family} – not for this one` : 'not for this one';
    return BADGES[entry.fits] || '';
  };

  const details = entry => [entry.description.split('\n')[0], entry['activation text'] && `“${entry['activation text']}”`, entry.rank && `rank ${entry.rank}`, entry.kind]
    .filter(Boolean).slice(0, 2).join(' · ');

  const make = (panel, entry, index) => {
    const element = webui.make('div', 'card'), pick = webui.make('button', 'pick'), picture = webui.make('span', 'pic'), label = badge(entry);
    element.dataset.index = index;
    element.dataset.file = entry.file;
    element.setAttribute('role', 'listitem');
    element.setAttribute('aria-setsize', panel.found);
    element.setAttribute('aria-posinset', index + 1);
    pick.type = 'button';
    pick.title = [entry.file, entry.fits_text, entry.duplicates?.length ? `The same file: ${entry.duplicates.join(', ')}` : '', entry.description].filter(Boolean).join('\n');
    pick.setAttribute('aria-label', [entry.stem, label, entry.rating && `rated ${entry.rating} of 5`, details(entry)].filter(Boolean).join(', '));
    photo(panel, entry, picture);
    const text = webui.make('span', 't');
    const said = webui.make('span', 'd', details(entry));
    if (entry.rating) said.prepend(webui.make('span', 'rating', '★'.repeat(entry.rating)), ' ');
    text.append(webui.make('span', 'n', entry.stem), said);
    pick.append(picture, text);
    if (label) pick.append(webui.make('span', `badge ${entry.fits}`, label));
    if (entry.duplicates?.length) pick.append(webui.make('span', 'badge double', `${entry.duplicates.length + 1} ×`));
    pick.addEventListener('click', () => click(panel, entry));
    element.append(pick, star(panel, entry), edit(panel, entry));
    return { element, entry, pick };
  };

  const photo = (panel, entry, holder) => {
    const image = document.createElement('img');
    image.alt = '';
    image.decoding = 'async';
    image.addEventListener('error', () => { image.remove(); holder.dataset.letter = (entry.stem[0] || '?').toUpperCase(); holder.style.setProperty('--hue', hue(entry.stem)); });
    if (!entry.picture) return image.dispatchEvent(new Event('error')); // without a request
    image.src = `internal/thumbnail/${panel.kind}/${webui.editor.address(entry)}?v=${encodeURIComponent(entry.picture)}`;
    return holder.append(image);
  };
  const hue = text => [...text].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 7);

  const star = (panel, entry) => {
    const button = webui.make('button', 'star', entry.favourite ? '★' : '☆');
    const paint = () => {
      button.textContent = entry.favourite ? '★' : '☆';
      button.setAttribute('aria-pressed', String(!!entry.favourite));
      button.setAttribute('aria-label', `Favourite: ${entry.stem}`);
    };
    button.type = 'button';
    button.title = 'Favourite';
    button.addEventListener('click', async () => {
      entry.favourite = !entry.favourite;
      paint();
      const answer = await webui.postJSON(`internal/library/${panel.kind}/favourite/${webui.editor.address(entry)}`, { favourite: entry.favourite }).catch(() => null);
      if (!answer?.ok) { entry.favourite = !entry.favourite; paint(); } else webui.networks.recount(panel);
    });
    paint();
    return button;
  };
  const edit = (panel, entry) => {
    const button = webui.make('button', 'edit', '✎');
    button.type = 'button';
    button.title = 'Notes and facts';
    button.setAttribute('aria-label', `Notes and facts: ${entry.stem}`);
    button.addEventListener('click', () => webui.editor.open(panel, entry, button));
    return button;
  };

  // ---- in use?

  const used = (panel, entry) => {
    if (panel.kind === 'checkpoint') return [entry.file, entry.stem, entry.name].includes(webui.networks.current().replace(/ \[[0-9a-f]+\]$/, ''));
    if (panel.kind === 'lora') return panel.tags.some(name => means(name, entry));
    const { prompt, negative } = webui.prompt.boxes(panel.tab);
    return [prompt, negative].some(box => box && webui.prompt.holds(box.value, entry.stem));
  };
  const mark = panel => {
    panel.tags = webui.prompt.tags(webui.prompt.text(panel.tab)).map(tag => tag.name);
    for (const { element, entry, pick } of panel.cards.values()) {
      if (!entry) continue;
      const on = String(used(panel, entry));
      if (pick.getAttribute('aria-pressed') !== on) { pick.setAttribute('aria-pressed', on); element.dataset.on = on; }
    }
  };

  // ---- a click

  const click = (panel, entry) => {
    if (panel.kind === 'checkpoint') return webui.networks.choose(entry);
    webui.history.group(panel.tab, '', () => (panel.kind === 'lora' ? lora : embedding)(panel, entry));
    mark(panel);
    if (panel.kind === 'lora') webui.drafts.moved(panel.tab);
  };

  const lora = (panel, entry) => {
    const on = used(panel, entry), { prompt, negative } = webui.prompt.boxes(panel.tab);
    const activation = entry['activation text'], unwanted = entry['negative text'];
    let value = prompt.value;
    if (on) {
      for (const tag of webui.prompt.tags(value).reverse()) if (means(tag.name, entry)) value = webui.prompt.without(value, tag);
      value = webui.prompt.removed(value, activation);
      if (unwanted) webui.write(negative, webui.prompt.removed(negative.value, unwanted));
    } else {
      const tag = `<lora:${tagName(entry)}:${webui.prompt.round(weight(entry))}>`;
      value = webui.prompt.added(webui.prompt.added(value, tag), webui.prompt.holds(value, activation) ? '' : activation);
      if (unwanted && !webui.prompt.holds(negative.value, unwanted)) webui.write(negative, webui.prompt.added(negative.value, unwanted));
      webui.prompt.setOff(panel.tab, webui.prompt.off(panel.tab).filter(one => !means(webui.prompt.tags(one.tag)[0]?.name, entry)));
    }
    webui.write(prompt, value);
  };
  // 1 is what the library says where the notes name no weight.
  const weight = entry => (entry.weight === 1 ? webui.prompt.options().multiplier : entry.weight);

  const embedding = (panel, entry) => {
    const boxes = webui.prompt.boxes(panel.tab), holding = [boxes.prompt, boxes.negative].filter(box => webui.prompt.holds(box.value, entry.stem));
    if (holding.length) for (const box of holding) webui.write(box, webui.prompt.removed(box.value, entry.stem));
    else {
      const box = webui.prompt.active(panel.tab), words = [entry.stem, entry['activation text']].filter(Boolean).join(' ');
      webui.write(box, webui.prompt.added(box.value, words));
    }
  };

  return { make, mark, tagName };
})();
