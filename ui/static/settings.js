// The Settings tab: rows by section, searched as one types; nothing is written before "Apply settings".
webui.settings = (() => {
  let root = null, settings = [], section = '', changed = {};

  const part = name => root.querySelector(`.${name}`);
  const equal = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const now = setting => (setting.key in changed ? changed[setting.key] : setting.value);

  const attach = async element => {
    root = element;
    part('search').addEventListener('input', showRows);
    part('apply').addEventListener('click', apply);
    part('undo').addEventListener('click', () => { changed = {}; refresh(); });
    new IntersectionObserver(seen => { if (seen.some(one => one.isIntersecting) && !Object.keys(changed).length) load(); }).observe(root);
  };

  const load = async () => {
    try {
      settings = (await webui.getJSON('internal/settings')).settings;
      section = section || settings[0]?.section || '';
      refresh();
    } catch {
      part('told').textContent = 'The settings cannot be read: no connection to the server.';
    }
  };

  const refresh = () => { showSections(); showRows(); showBar(); };

  const showBar = () => {
    const count = Object.keys(changed).length;
    part('apply').disabled = part('undo').disabled = !count;
    part('apply').textContent = count ? `Apply settings (${count})` : 'Apply settings';
  };

  const showSections = () => {
    const names = [...new Set(settings.map(setting => setting.section)), 'Defaults', 'Actions'];
    part('sections').replaceChildren(...names.map(name => {
      const button = webui.make('button', 'section', name);
      button.type = 'button';
      button.setAttribute('aria-current', String(name === section && !part('search').value));
      button.addEventListener('click', () => {
        section = name;
        part('search').value = '';
        showSections();
        showRows();
      });
      return button;
    }));
  };

  const showRows = () => {
    const wanted = part('search').value.trim().toLowerCase();
    const found = settings.filter(setting => (wanted
      ? `${setting.label} ${setting.key} ${setting.info} ${setting.section}`.toLowerCase().includes(wanted)
      : setting.section === section));
    const made = { Actions: actions, Defaults: webui.defaults.page }[wanted ? '' : section], rows = made ? made() : found.map(row);
    part('rows').replaceChildren(...(rows.length ? rows : [webui.make('p', 'nothing', 'No setting is called so.')]));
    for (const button of part('sections').children) button.setAttribute('aria-current', String(!wanted && webui.localization.original(button) === section));
  };

  const row = setting => {
    const line = webui.make('div', 'setting'), label = webui.make('label', 'name', setting.label);
    const input = control(setting), reset = webui.button('Reset', () => { put(setting, setting.default); showRows(); });
    input.id = `setting_${setting.key}`;
    label.htmlFor = input.id;
    label.title = setting.key;
    reset.classList.add('reset');
    reset.title = `Back to the default: ${JSON.stringify(setting.default)}`;
    line.dataset.key = setting.key;
    line.append(label, input, reset, webui.make('p', 'info', setting.info), webui.make('p', 'wrong'));
    if (setting.frozen) {
      input.disabled = true;
      line.querySelector('.info').textContent = [setting.info, `Fixed by ${setting.frozen}`].filter(Boolean).join('; ');
    }
    mark(line, setting);
    return line;
  };

  const mark = (line, setting) => {
    line.dataset.changed = String(setting.key in changed);
    line.querySelector('.reset').hidden = !!setting.frozen || equal(now(setting), setting.default);
  };

  const put = (setting, value) => {
    if (equal(value, setting.value)) delete changed[setting.key]; else changed[setting.key] = value;
    const line = Array.from(part('rows').children).find(one => one.dataset.key === setting.key);
    if (line) {
      mark(line, setting);
      line.querySelector('.wrong').textContent = '';
    }
    part('told').textContent = '';
    showBar();
  };

  const control = setting => webui.settingControl(setting, now(setting), value => put(setting, value));

  const apply = async () => {
    const answer = await webui.postJSON('internal/settings', { values: changed }).catch(() => null);
    const found = answer ? await answer.json().catch(() => ({})) : {};
    const errors = Object.entries(found.errors || {});
    if (answer?.ok && !errors.length) {
      for (const setting of settings) setting.value = now(setting);
      part('told').textContent = 'Applied.';
      changed = {};
      refresh();
      document.dispatchEvent(new CustomEvent('webui-settings'));
      return;
    }
    part('told').textContent = errors.length ? 'Nothing was applied: see below.' : found.detail || 'Nothing was applied: no connection to the server.';
    if (errors.length && !errors.some(([key]) => part('rows').querySelector(`[data-key="${key}"]`))) {
      section = settings.find(setting => setting.key === errors[0][0])?.section || section;
      part('search').value = '';
      showSections();
      showRows();
    }
    for (const [key, sentence] of errors) {
      const line = Array.from(part('rows').children).find(one => one.dataset.key === key);
      if (line) line.querySelector('.wrong').textContent = sentence;
    }
  };

  const actions = () => {
    const all = webui.button('Reset all settings to their defaults', () => {
      for (const setting of settings) if (setting.key !== 'sd_model_checkpoint' && !setting.frozen) put(setting, setting.default);
      part('told').textContent = 'Press "Apply settings" to make it so.';
    });
    const fields = webui.button('Reset the fields of this page', () => {
      if (!window.confirm('Prompts and parameters of all tabs go back to their defaults?')) return;
      for (const tab of ['txt2img', 'img2img', 'extras']) webui.form.reset(tab);
      part('told').textContent = 'The fields are as in the beginning.';
    });
    const reload = webui.button('Reload UI', () => location.reload());
    return [webui.row([all, fields, reload])];
  };

  // The value of one setting for scripts of this page, or undefined before it is known.
  return { attach, value: key => settings.find(setting => setting.key === key)?.value };
})();

// The control of a setting; `put` hears of each value that a person gives it.
webui.settingControl = (setting, value, put) => {
  if (setting.kind === 'flag') {
    const box = Object.assign(webui.make('input', 'control'), { type: 'checkbox', checked: value });
    box.addEventListener('change', () => put(box.checked));
    return box;
  }
  if (setting.choices.length) {
    const list = webui.make('select', 'control webui-input');
    const choices = setting.choices.includes(value) ? setting.choices : [value, ...setting.choices];
    list.append(...choices.map(choice => new Option(choice, choice, false, choice === value)));
    list.addEventListener('change', () => put(list.value));
    return list;
  }
  const box = webui.make('input', 'control webui-input');
  box.type = { whole: 'number', number: 'number', color: 'color' }[setting.kind] || 'text';
  if (box.type === 'number') {
    if (setting.minimum != null) box.min = setting.minimum;
    if (setting.maximum != null && !setting.soft) box.max = setting.maximum;
    box.step = setting.step || (setting.kind === 'whole' ? 1 : 'any');
  }
  box.value = setting.kind === 'list' ? value.join(', ') : value;
  if (setting.kind === 'list') box.placeholder = 'separated by commas';
  const read = () => {
    if (setting.kind === 'list') return box.value.split(',').map(one => one.trim()).filter(Boolean);
    return box.type === 'number' && box.value !== '' ? Number(box.value) : box.value;
  };
  box.addEventListener('input', () => put(read()));
  return box;
};
