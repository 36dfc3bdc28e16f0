// The Extensions tab. Everything that an extension says of itself goes in by textContent.
webui.extensions = (() => {
  let root = null, state = { extensions: [], states: [], disable_all: 'none', allowed: true }, newer = {}, off = null, busy = false;

  const part = name => root.querySelector(`.${name}`);
  const button = (text, act, className = '') => {
    const made = webui.make('button', `webui-button ${className}`, text);
    made.type = 'button';
    made.disabled = busy || !state.allowed;
    made.addEventListener('click', act);
    return made;
  };

  const attach = element => {
    root = element;
    part('apply').addEventListener('click', () => run('apply', { ...switches(), restart: true }, again));
    part('check').addEventListener('click', () => run('check', {}));
    part('save').addEventListener('click', () => run('save', { name: part('set-name').value }));
    part('install').addEventListener('submit', event => {
      event.preventDefault();
      const form = new FormData(part('install'));
      run('install', Object.fromEntries(form), () => part('install').reset());
    });
    new IntersectionObserver(seen => { if (seen.some(one => one.isIntersecting) && !busy) load(); }).observe(root);
  };

  const load = async () => {
    try {
      show(await webui.getJSON('internal/extensions'));
    } catch {
      fail('The extensions cannot be read: no connection to the server.');
    }
  };

  const switches = () => ({ disabled: [...off], disable_all: part('disable-all').value });

  const run = async (what, body, done) => {
    busy = true;
    fail('');
    part('told').textContent = 'Working …';
    draw();
    try {
      const found = await webui.send('POST', `internal/extensions/${what}`, body);
      newer = found.newer || newer;
      busy = false;
      off = null;
      show(found);
      part('told').textContent = found.told || (found.newer ? 'Looked for updates.' : '');
      if (done) done();
    } catch (error) {
      busy = false;
      part('told').textContent = '';
      fail(error.message);
      draw();
    }
  };

  // The server goes and comes back; then the page is made anew.
  const again = () => {
    const began = Date.now();
    const look = async gone => {
      const here = await fetch('internal/ping').then(answer => answer.ok, () => false);
      if (here && (gone || Date.now() - began > 15000)) location.reload();
      else setTimeout(() => look(gone || !here), 500);
    };
    setTimeout(() => look(false), 500);
  };

  const fail = text => { part('error').textContent = text; part('error').hidden = !text; };

  const show = found => {
    state = found;
    if (off === null) {
      off = new Set(found.extensions.filter(one => !one.enabled).map(one => one.name));
      part('disable-all').value = found.disable_all;
      if (found.disable_all !== 'none') off = new Set();
    }
    draw();
  };

  const draw = () => {
    const refused = part('refused');
    refused.hidden = state.allowed;
    refused.textContent = 'Other machines can reach this page, so extensions can be looked at only. --enable-insecure-extension-access allows more.';
    for (const one of root.querySelectorAll('.actions button, .install button, .save')) one.disabled = busy || !state.allowed;
    part('list').replaceChildren(...state.extensions.map(row));
    part('states').replaceChildren(...state.states.map(saved));
  };

  const row = one => {
    const made = webui.make('div', 'extension'), head = webui.make('label', 'head'), box = document.createElement('input');
    made.dataset.name = one.name;
    box.type = 'checkbox';
    box.checked = !off.has(one.name);
    box.disabled = busy || !state.allowed;
    box.addEventListener('change', () => { if (box.checked) off.delete(one.name); else off.add(one.name); });
    head.append(box, webui.make('b', '', one.title || one.name));
    const facts = [one.title && one.title !== one.name ? one.name : '', one.version, one.shipped ? 'came with the program' : one.remote || 'a folder',
      one.for_a1111 ? `made for A1111${one.carried ? '' : ', which is switched off (setting “Run scripts and extensions made for A1111”)'}` : '', one.branch,
      one.commit ? one.commit.slice(0, 8) : '', one.date ? new Date(one.date * 1000).toLocaleDateString() : '', newer[one.name] || '', one.loaded ? '' : 'not loaded'];
    made.append(head, webui.make('span', 'facts', facts.filter(Boolean).join(' · ')), ...one.errors.map(text => webui.make('p', 'wrong', text)));
    if (one.removable) {
      const tools = webui.make('span', 'tools');
      if (one.remote) tools.append(button('Update', () => run('update', { name: one.name })));
      if (one.installer) tools.append(button('Run install.py', () => setUp(one.name)));
      tools.append(button('Remove', () => { if (window.confirm(`Remove the extension ${one.name} and its folder?`)) run('remove', { name: one.name }); }));
      made.append(tools);
    }
    return made;
  };

  const setUp = name => {
    const asked = `Run extensions/${name}/install.py now? It is a program: most install packages into this program's Python with pip. It is run at no other time.`;
    if (window.confirm(asked)) run('set-up', { name });
  };

  const saved = one => {
    const made = webui.make('div', 'extension');
    const when = new Date(one.created_at * 1000).toLocaleString();
    made.append(webui.make('b', '', one.name), webui.make('span', 'facts', `${when} · ${one.extensions.join(', ') || 'no extensions'}`));
    const tools = webui.make('span', 'tools');
    tools.append(button('Restore', () => run('restore', { file: one.file })));
    made.append(tools);
    return made;
  };

  return { attach };
})();
