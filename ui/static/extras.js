// The Extras tab: which pictures, and the way to the server, one by one under a name of their own; then what to do with them (ui/extras_routes.py).
webui.extras = (() => {
  const TAB = 'extras', MODE = 'webui-extras-mode';
  let root = null, mode = 'single', single = null, batch = [], address = '', sending = false, only = {};

  const part = selector => root.querySelector(selector);
  const plural = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
  const pictures = () => (mode === 'single' ? (single ? [single] : []) : mode === 'batch' ? batch : []);
  const images = data => Array.from(data?.files || []).filter(one => one.type.startsWith('image/'));

  const refresh = () => {
    root.dataset.mode = mode;
    for (const button of part('.modes').children) button.setAttribute('aria-pressed', String(button.dataset.mode === mode));
    const image = part('.single img');
    image.hidden = !single;
    part('.single .hint').hidden = !!single;
    part('.batch .hint').textContent = batch.length ? `${plural(batch.length, 'picture')} chosen; drop more, or click to choose others` : 'Drop pictures here, or click to choose several';
    const some = pictures();
    part('.about').hidden = !some.length;
    part('.about .what').textContent = some.length > 1 ? some.slice(0, 4).map(one => one.name).join(', ') + (some.length > 4 ? `, and ${some.length - 4} more` : '') : some[0]?.name || '';
  };

  const choose = name => {
    mode = name;
    webui.store.write(MODE, { mode });
    refresh();
  };

  const show = file => {
    if (!file) return;
    single = file.name ? file : new File([file], 'picture.png', { type: file.type });
    URL.revokeObjectURL(address);
    address = part('.single img').src = URL.createObjectURL(single);
    part('.single img').alt = single.name;
    refresh();
  };

  const add = files => { batch = [...batch, ...files]; refresh(); };

  const remove = () => {
    if (mode === 'single') single = null; else batch = [];
    refresh();
  };

  const takes = (drop, use) => {
    const input = drop.querySelector('input');
    input.addEventListener('change', () => { use(Array.from(input.files)); input.value = ''; });
    for (const kind of ['dragenter', 'dragover']) drop.addEventListener(kind, event => { event.preventDefault(); drop.dataset.over = 'true'; });
    drop.addEventListener('dragleave', () => { drop.dataset.over = 'false'; });
    drop.addEventListener('drop', event => {
      event.preventDefault();
      drop.dataset.over = 'false';
      use(images(event.dataTransfer));
    });
  };

  // ---- Generate

  const token = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');

  // values: by name, as the controls have them now
  const generate = async values => {
    if (sending) return;
    sending = true;
    const files = pictures(), id = token();
    try {
      if (mode !== 'folder' && !files.length) throw new Error('There is no picture: choose one first.');
      for (const [index, file] of files.entries()) {
        if (files.length > 1) part('.about .what').textContent = `Sending picture ${index + 1} of ${files.length}`;
        await webui.send('PUT', `internal/extras/${id}/${index}/${encodeURIComponent(file.name)}`, file);
      }
      await webui.send('POST', 'internal/extras', { client: webui.client, mode, batch: files.length ? id : '', values });
      webui.gallery.sent(TAB, '');
    } catch (error) {
      webui.gallery.sent(TAB, error.message);
    }
    sending = false;
    refresh();
  };

  // Options that mean something only together with another one's value.
  const follow = values => {
    for (const [id, [name, value]] of Object.entries(only)) {
      const box = document.getElementById(id);
      if (box && name in values) box.classList.toggle('aside', Number(values[name]) !== value);
    }
  };

  const attach = (element, rules, mayNameFolders) => {
    root = element.querySelector('.extras-sources');
    only = rules;
    mode = webui.store.read(MODE).mode || 'single';
    if (!mayNameFolders) {
      part('[data-mode=folder]').remove();
      if (mode === 'folder') mode = 'single';
    }
    for (const button of part('.modes').children) button.addEventListener('click', () => choose(button.dataset.mode));
    takes(part('.single'), files => show(files[0]));
    takes(part('.batch'), add);
    part('.remove').addEventListener('click', remove);
    document.addEventListener('paste', event => {
      const [file] = images(event.clipboardData);
      if (file && root.getClientRects().length && !event.defaultPrevented) { if (mode === 'batch') add([file]); else { choose('single'); show(file); } }
    });
    webui.form.watch((tab, values) => { if (tab === TAB) follow(values); });
    follow(webui.form.values(TAB));
    refresh();
    for (const file of waiting.splice(0)) take(file);
  };

  // A tab that has not been opened yet is not there: what is sent to it waits.
  const waiting = [];
  const take = file => {
    if (!root) return void waiting.push(file);
    choose('single');
    show(file);
  };
  webui.sends.receive({ name: '→ Extras', tab: 'Extras', picture: take });

  return { attach, generate };
})();
