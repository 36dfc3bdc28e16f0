// The dialog of one file: A1111's notes, the words it was trained on, its picture, and all that the file says of itself.
webui.editor = (() => {
  const FIELDS = [
    ['description', 'Description', 'area wide'], ['activation text', 'Activation text', 'area wide'], ['preferred weight', 'Preferred weight (0 = the default)', 'number'],
    ['sd version', 'Stable Diffusion version', 'choice'], ['rating', 'Rating', 'stars'], ['negative text', 'Negative prompt', 'area wide'], ['notes', 'Notes', 'area wide'],
  ];
  const VERSIONS = ['', 'SD1', 'SD2', 'SDXL', 'Unknown'];
  const TAGS = 24;

  const address = entry => entry.file.split('/').map(encodeURIComponent).join('/');
  const url = (panel, what, entry) => `internal/library/${panel.kind}/${what}/${address(entry)}`;

  const open = async (panel, entry, opener) => {
    const inputs = {}, dialog = document.createElement('dialog'), form = document.createElement('form'), problem = webui.make('p', 'problem');
    dialog.className = 'about';
    dialog.setAttribute('aria-label', `Notes and facts: ${entry.stem}`);
    problem.setAttribute('role', 'alert');
    form.method = 'dialog';
    dialog.append(form);
    document.body.append(dialog);
    dialog.addEventListener('close', () => { dialog.remove(); if (opener.isConnected) opener.focus(); });
    dialog.addEventListener('click', event => { if (event.target === dialog && inputs.before === JSON.stringify(values(inputs))) dialog.close(); }); // not with words in it that are not saved
    dialog.addEventListener('keydown', event => { if (event.key === 'Escape') event.stopPropagation(); });
    const fields = webui.make('div', 'fields'), head = header(panel, entry);
    const trained = webui.make('div', 'trained wide'), facts = document.createElement('details');
    for (const [key, label, form] of FIELDS) {
      fields.append(field(inputs, key, label, form));
      if (key === 'activation text') fields.append(trained);
    }
    trained.hidden = true;
    trained.setAttribute('role', 'group');
    trained.setAttribute('aria-label', 'Words of the training set');
    const foot = footer(panel, entry, dialog, inputs, problem, head), save = foot.querySelector('.primary');
    form.addEventListener('submit', event => { event.preventDefault(); save.click(); }); // Enter in a field
    facts.append(webui.make('summary', '', 'What the file says'));
    form.append(head, fields, problem, facts, ...(panel.kind === 'lora' ? [blockMap(entry)] : []), foot);
    save.disabled = true; // until it is known what there is
    inputs.before = JSON.stringify(values(inputs));
    dialog.showModal();
    try {
      const [notes, about] = await Promise.all([webui.getJSON(url(panel, 'notes', entry)), webui.getJSON(url(panel, 'about', entry))]);
      const version = inputs['sd version'], said = notes['sd version'] || '';
      if (said && !VERSIONS.includes(said)) version.append(new Option(said, said)); // another program's word stays
      for (const [key] of FIELDS) inputs[key].value = notes[key] ?? '';
      inputs.before = JSON.stringify(values(inputs));
      save.disabled = false;
      tags(trained, about.tags || [], inputs['activation text']);
      table(facts, about);
      head.querySelector('.line').textContent = about.line || '';
      head.querySelector('.fit').textContent = [about.fits_text && `Fits ${about.checkpoint}: ${about.fits_text}`, doubles(about)].filter(Boolean).join('\n');
    } catch {
      problem.textContent = 'The notes of this file cannot be read now: the server does not answer, or the file is gone.';
    }
  };

  const doubles = about => [
    about.duplicates?.length ? `The same file under another name: ${about.duplicates.join(', ')}` : '',
    about.same_name?.length ? `Another file of this name: ${about.same_name.join(', ')}` : '',
  ].filter(Boolean).join('\n');

  const header = (panel, entry) => {
    const head = document.createElement('header'), image = document.createElement('img'), words = document.createElement('div');
    image.alt = '';
    image.addEventListener('error', () => { image.hidden = true; });
    image.hidden = !entry.picture;
    if (entry.picture) image.src = `internal/thumbnail/${panel.kind}/${address(entry)}?v=${encodeURIComponent(entry.picture)}`;
    words.append(webui.make('h2', '', entry.file), webui.make('p', 'line'), webui.make('p', 'fit'));
    head.append(image, words);
    return head;
  };

  const field = (inputs, key, label, form) => {
    const holder = webui.make('label', form.includes('wide') ? 'wide' : '', label);
    const input = document.createElement(form.startsWith('area') ? 'textarea' : ['choice', 'stars'].includes(form) ? 'select' : 'input');
    if (form === 'number') Object.assign(input, { type: 'number', step: '0.05', min: '-100', max: '100' });
    if (form === 'choice') input.append(...VERSIONS.map(version => new Option(version || '–', version)));
    if (form === 'stars') input.append(...[0, 1, 2, 3, 4, 5].map(stars => new Option(stars ? webui.stars(stars) : '–', stars)));
    if (form.startsWith('area')) input.rows = 2;
    input.name = key;
    inputs[key] = input;
    holder.append(input);
    return holder;
  };

  const values = inputs => Object.fromEntries(FIELDS.map(([key]) => [key, ['preferred weight', 'rating'].includes(key) ? Number(inputs[key].value) || 0 : inputs[key].value]));

  // A click puts a word of the training set into the activation text, another takes it out.
  const tags = (box, list, input) => {
    box.hidden = !list.length;
    const words = () => input.value.split(',').map(word => word.trim()).filter(Boolean);
    const pairs = list.map(tag => (Array.isArray(tag) ? tag : typeof tag === 'object' ? [tag.tag ?? tag.name, tag.count] : [tag, null]));
    const paint = () => { for (const button of box.children) button.setAttribute('aria-pressed', String(words().includes(button.dataset.word))); };
    box.replaceChildren(...pairs.slice(0, TAGS).map(([word, count]) => {
      const button = webui.make('button', '', `${word} `);
      button.type = 'button';
      button.dataset.word = word;
      if (count != null) button.append(webui.make('b', '', count));
      button.addEventListener('click', () => {
        const now = words();
        input.value = (now.includes(word) ? now.filter(each => each !== word) : [...now, word]).join(', ');
        paint();
      });
      return button;
    }));
    input.addEventListener('input', paint);
    paint();
  };

  const size = bytes => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(bytes / 1e3)} kB`);
  const HIDDEN = ['name', 'tags', 'metadata', 'line', 'fits', 'fits_text', 'duplicates', 'same_name', 'checkpoint'];
  const table = (holder, about) => {
    const rows = Object.entries(about).filter(([key, value]) => !HIDDEN.includes(key) && value !== '' && value !== null && typeof value !== 'object');
    const said = { size: value => size(value), modified: value => new Date(value * 1000).toLocaleString() };
    const list = [...rows.map(([key, value]) => [key, said[key] ? said[key](value) : value]), ...Object.entries(about.metadata || {})];
    const made = document.createElement('table');
    made.append(...list.slice(0, 200).map(([key, value]) => {
      const row = document.createElement('tr'), text = String(value);
      row.append(webui.make('th', '', key.replaceAll('_', ' ')), webui.make('td', '', text.length > 600 ? `${text.slice(0, 600)} …` : text));
      return row;
    }));
    holder.append(made);
  };

  // Read when it is opened: it waits behind what is drawn.
  const blockMap = entry => {
    const holder = document.createElement('details'), box = webui.make('div', 'block-map');
    holder.append(webui.make('summary', '', 'Block map'), box);
    holder.addEventListener('toggle', async () => {
      if (!holder.open || box.dataset.asked) return;
      box.dataset.asked = 'yes';
      const problem = await webui.tools.blocks(box, entry.name);
      if (problem) box.replaceChildren(webui.make('p', 'block-note', problem));
    });
    return holder;
  };

  const footer = (panel, entry, dialog, inputs, problem, head) => {
    const foot = document.createElement('footer'), picture = webui.make('button', '', 'Use last picture as preview');
    const save = webui.make('button', 'primary', 'Save'), cancel = webui.make('button', '', 'Cancel');
    for (const button of [picture, save, cancel]) button.type = 'button';
    picture.disabled = !lastPicture(panel.tab);
    picture.addEventListener('click', async () => {
      const { task, index } = lastPicture(panel.tab);
      if (!await told(webui.postJSON(url(panel, 'preview', entry), { task, index }), problem)) return;
      webui.networks.refreshAll();
      const image = head.querySelector('img');
      image.hidden = false;
      image.src = `internal/thumbnail/${panel.kind}/${address(entry)}?v=${Date.now()}`;
      picture.textContent = 'The picture is its preview now';
    });
    save.addEventListener('click', async () => {
      if (inputs.before === JSON.stringify(values(inputs))) return dialog.close();
      const body = JSON.stringify(values(inputs));
      if (!await told(fetch(url(panel, 'notes', entry), { method: 'PUT', headers: { 'Content-Type': 'application/json' }, body }), problem)) return;
      dialog.close();
      webui.sliders.forget();
      webui.networks.refreshAll();
    });
    cancel.addEventListener('click', () => dialog.close());
    foot.append(picture, webui.make('span', 'grow'), cancel, save);
    return foot;
  };

  // Whether it went well; what went wrong is shown as the server's sentence.
  const told = async (asked, problem) => {
    const answer = await asked.catch(() => null);
    problem.textContent = '';
    if (answer && answer.ok) return true;
    const detail = answer ? await answer.json().then(body => body.detail || body.errors, () => '') : '';
    problem.textContent = typeof detail === 'string' && detail ? detail : 'The server did not take it.';
    return false;
  };

  // Task and number of the picture that this tab shows.
  const lastPicture = tab => {
    const link = document.querySelector(`#${tab}_gallery .picture`), match = /internal\/image\/([^/]+)\/(\d+)\//.exec(link?.getAttribute('href') || '');
    return match ? { task: decodeURIComponent(match[1]), index: Number(match[2]) } : null;
  };

  return { open, address, told };
})();
