// Checkpoint Merger and LoRA tools: lists of files into the forms, what is asked to the server, how far it is back. Names are put in as text, never as HTML.
webui.tools = (() => {
  const forms = {}; // by tool
  const SAID = {
    'No interpolation': 'No interpolation will be used. Requires one model; A. Allows for format conversion and VAE baking.',
    'Weighted sum': 'A weighted sum will be used for interpolation. Requires two models; A and B. The result is calculated as A * (1 - M) + B * M',
    'Add difference': 'The difference between the last two models will be added to the first. Requires three models; A, B and C. The result is calculated as A + (B - C) * M',
  };
  const SUFFIX = '.safetensors';
  let files = { checkpoints: [], vaes: [], loras: [] }, catalog = null;

  const attach = root => {
    for (const form of root.querySelectorAll('.maker')) {
      forms[form.dataset.tool] = form;
      form.addEventListener('submit', event => { event.preventDefault(); run(form); });
      form.addEventListener('input', () => refresh(form));
      form.querySelector('.stop')?.addEventListener('click', () => webui.progress.tell('interrupt', form.dataset.tool));
    }
    if (forms.merge && root.contains(forms.merge)) forms.merge.querySelector('.read-metadata').addEventListener('click', readMetadata);
    if (forms.bake && root.contains(forms.bake)) {
      forms.bake.querySelector('.add').addEventListener('click', () => addLora().querySelector('input').focus());
      forms.bake.querySelector('.from-prompt').addEventListener('click', takeFromPrompt);
      addLora();
      addLora();
    }
    load();
    webui.progress.watch(state => {
      if (catalog !== null && catalog !== state.catalog) load();
      catalog = state.catalog;
      follow(state);
    });
  };

  // ---- lists of files

  const load = async () => {
    try { files = await webui.getJSON('internal/tools/files'); } catch { return; } // the server is away; the next signal asks again
    for (const form of Object.values(forms)) {
      for (const select of form.querySelectorAll('select[data-files]')) fill(select);
      refresh(form);
    }
    document.getElementById('tool_loras')?.replaceChildren(...files.loras.map(name => new Option('', name)));
  };

  const fill = select => {
    const chosen = select.value;
    select.replaceChildren(new Option(select.dataset.none, ''), ...files[select.dataset.files].map(file => new Option(file.title, file.name)));
    select.value = chosen;
    if (select.selectedIndex < 0) select.value = '';
  };

  // ---- rows of Loras

  const addLora = (name = '', te = 1, unet = te) => {
    const row = webui.make('div', 'tool-lora'), input = document.createElement('input');
    Object.assign(input, { className: 'webui-input name', type: 'text', placeholder: 'Lora', value: name, autocomplete: 'off', spellcheck: false });
    input.setAttribute('list', 'tool_loras');
    input.setAttribute('aria-label', 'Lora');
    const weight = (label, value) => {
      const box = document.createElement('input');
      Object.assign(box, { className: `webui-input ${label === 'U-Net weight' ? 'unet' : 'te'}`, type: 'number', step: '0.05', value, title: label });
      box.setAttribute('aria-label', label);
      return box;
    };
    const remove = webui.button('✕', () => { row.remove(); refresh(forms.bake); }, 'icon');
    remove.setAttribute('aria-label', 'Remove this Lora');
    row.append(input, weight('Text encoder weight', te), weight('U-Net weight', unet), remove);
    forms.bake.querySelector('.tool-loras').append(row);
    return row;
  };

  const lorasOf = form => Array.from(form.querySelectorAll('.tool-lora'), row => ({
    name: row.querySelector('.name').value.trim(), te_weight: Number(row.querySelector('.te').value), unet_weight: Number(row.querySelector('.unet').value),
  })).filter(lora => lora.name);

  const takeFromPrompt = () => {
    const prompt = webui.box('txt2img', 'prompt')?.value || '';
    const tags = Array.from(prompt.matchAll(/<(?:lora|lyco):([^:>]+)(?::(-?[\d.]+))?(?::(-?[\d.]+))?[^>]*>/g));
    if (!tags.length) return tell(forms.bake, 'There is no <lora:…> in the prompt of txt2img.');
    tell(forms.bake, '');
    forms.bake.querySelector('.tool-loras').replaceChildren();
    for (const [, name, te, unet] of tags) addLora(name, Number(te ?? 1), Number(unet ?? te ?? 1));
    refresh(forms.bake);
  };

  // ---- what is asked

  const values = form => Object.fromEntries(Array.from(form.elements).filter(one => one.name && (one.type !== 'radio' || one.checked)).map(one => [
    one.name, one.type === 'checkbox' ? one.checked : ['number', 'range'].includes(one.type) ? Number(one.value) : one.value,
  ]));

  const asked = form => {
    const { lora, ...given } = values(form);
    if (form.dataset.tool === 'bake') return { ...given, loras: lorasOf(form) };
    if (form.dataset.tool === 'resize') return { ...given, loras: lora.trim() ? [{ name: lora.trim() }] : [], value: given.rule ? given.value : 0 };
    return given;
  };

  const run = async form => {
    if (form.dataset.busy) return; // Enter in a field
    tell(form, '');
    if (form.dataset.tool === 'blocks') return showBlocks(form);
    const tool = form.dataset.tool, button = form.querySelector('[type=submit]');
    button.disabled = true;
    form.querySelector('.comments').hidden = true;
    try {
      form.dataset.task = (await webui.send('POST', `internal/tools/${tool === 'resize' ? 'bake' : tool}`, { client: webui.client, tool, asked: asked(form) })).task;
    } catch (error) {
      tell(form, error.message);
    }
    button.disabled = false;
    webui.progress.kick();
  };

  const showBlocks = async form => {
    const name = form.elements.lora.value.trim(), button = form.querySelector('[type=submit]'), box = form.querySelector('.block-map');
    if (!name) return tell(form, 'No Lora is chosen.');
    button.disabled = true;
    box.hidden = false;
    const problem = await blocks(box, name);
    tell(form, problem);
    box.hidden = !!problem;
    button.disabled = false;
  };

  const readMetadata = async () => {
    try {
      const box = forms.merge.elements.metadata;
      webui.write(box, (await webui.send('POST', 'internal/tools/metadata', { client: webui.client, asked: asked(forms.merge) })).metadata);
      tell(forms.merge, '');
    } catch (error) { tell(forms.merge, error.message); }
  };

  // ---- what is shown

  const tell = (form, text) => {
    const problem = form.querySelector('.error');
    problem.textContent = text;
    problem.hidden = !text;
  };

  const refresh = form => {
    const tool = form.dataset.tool, given = values(form);
    if (tool === 'merge') {
      form.querySelector('.tool-said').textContent = SAID[given.method];
      form.querySelector('output').textContent = given.multiplier;
      form.elements.secondary.disabled = given.method === 'No interpolation';
      form.elements.tertiary.disabled = given.method !== 'Add difference';
      form.elements.multiplier.disabled = given.method === 'No interpolation';
      name(form);
    }
    if (tool === 'bake') {
      form.querySelector('.for-lora').hidden = !!given.checkpoint;
      form.querySelector('.for-checkpoint').hidden = !given.checkpoint;
    }
    if (tool === 'resize') form.elements.value.disabled = !given.rule;
    if (tool !== 'merge' && tool !== 'blocks') {
      const bare = given.name.trim().replace(/\.safetensors$/, '');
      write(form.querySelector('.tool-name'), bare ? `New file: ${bare}${SUFFIX}` : '');
    }
  };

  // What the server would call the result, a moment after the last change.
  const name = webui.later(250, async form => {
    const found = await webui.send('POST', 'internal/tools/name', { client: webui.client, asked: asked(form) }).catch(() => ({ name: '' }));
    write(form.querySelector('.tool-name'), found.name ? `New file: ${found.name}${found.there ? ' (there is one already)' : ''}` : '');
  });

  const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  const follow = state => {
    for (const [tool, form] of Object.entries(forms)) {
      if (tool === 'blocks') continue;
      const task = state.tasks.filter(one => one.tab === tool).at(-1);
      const running = !!task && webui.progress.unfinished(task), meter = form.querySelector('.tool-progress');
      if (running) form.dataset.busy = 'yes'; else delete form.dataset.busy;
      form.querySelector('[type=submit]').disabled = running;
      form.querySelector('.stop').hidden = !running;
      meter.hidden = !running;
      if (!task) continue;
      if (running) form.dataset.task = task.id;
      const percent = Math.round(task.progress * 100);
      meter.setAttribute('aria-valuenow', percent);
      meter.querySelector('i').style.width = `${percent}%`;
      write(meter.querySelector('span'), task.state === 'queued' ? `Waiting: ${task.position} before it` : task.progress ? `${percent}%` : task.status);
      if (running || form.dataset.told === task.id) continue;
      form.dataset.told = task.id; // once: what a person does next wipes it away
      if (form.dataset.task !== task.id) continue;
      if (task.error) tell(form, task.error);
      const said = form.querySelector('.comments'), lines = task.state === 'interrupted' ? ['Interrupted: no file was made.'] : task.comments;
      said.replaceChildren(...lines.map(line => webui.make('li', '', line)));
      said.hidden = !lines.length || !!task.error;
      refresh(form);
    }
  };

  // ---- the block map

  // Bars into `box`, as long as the blocks' norms. Answers with what went wrong, or "".
  const blocks = async (box, lora) => {
    box.replaceChildren(webui.make('p', 'block-note', 'Reading the file…'));
    let found;
    try {
      const answer = await fetch(`internal/tools/blocks/${lora.split('/').map(encodeURIComponent).join('/')}`);
      found = await answer.json();
      if (!answer.ok) return found.detail;
    } catch { return 'The server does not answer.'; }
    const most = Math.max(...found.blocks.map(one => one.norm), 1e-12);
    const list = webui.make('ol', 'block-bars');
    list.append(...found.blocks.map(one => {
      const row = webui.make('li', ''), bar = webui.make('span', 'length'), fill = webui.make('i', '');
      fill.style.width = `${100 * one.norm / most}%`;
      bar.append(fill);
      row.append(webui.make('b', '', one.block), bar, webui.make('span', 'norm', one.norm.toPrecision(3)));
      row.title = `${one.block}: ${one.layers} layer${one.layers === 1 ? '' : 's'}, √Σ‖ΔW‖² = ${one.norm.toPrecision(5)}`;
      return row;
    }));
    const left = found.left_out ? ` ${found.left_out} layer${found.left_out === 1 ? '' : 's'} cannot be measured without the checkpoint.` : '';
    box.replaceChildren(list, webui.make('p', 'block-note', `${found.family}; length of the change (Frobenius norm) at weight 1.${left}`));
    return '';
  };

  return { attach, blocks };
})();
