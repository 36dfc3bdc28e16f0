// Styles: 📋 writes the chosen ones into the prompts, 🖌 opens the editor. styles.csv lies on the server.
webui.style = {
  async pressed(tab) {
    const { prompt, negative_prompt, styles } = webui.form.values(tab);
    if (!styles || !styles.length) return;
    const found = await webui.send('POST', 'internal/styles/apply', { prompt, negative_prompt, styles }).catch(error => webui.gallery.note(tab, error.message));
    if (found) webui.form.fill(tab, { ...found, styles: [] });
  },
};

webui.styles = (() => {
  const changed = []; // who has a drop-down of styles
  let dialog = null, styles = [], tab = '';

  const part = name => dialog.querySelector(`.${name}`);

  const build = () => {
    dialog = webui.dialog('Styles', [
      webui.field('Style', Object.assign(webui.make('input', 'name'), { autocomplete: 'off' })),
      webui.field('Prompt', webui.make('textarea', 'text')),
      webui.field('Negative prompt', webui.make('textarea', 'negative')),
      webui.make('p', 'note'),
    ]);
    const list = webui.make('datalist', 'known');
    list.id = 'webui_styles';
    part('name').setAttribute('list', list.id);
    part('text').placeholder = 'Use {prompt} to say where the prompt goes; without it, the text is put behind it';
    dialog.append(list, webui.row([
      webui.button('Save', save, 'primary'), webui.button('Delete', remove), webui.button('Copy from the prompts', copy), webui.button('Close', () => dialog.close()),
    ]));
    part('name').addEventListener('input', show);
  };

  const show = () => {
    const style = styles.find(one => one.name === part('name').value);
    if (!style) return;
    part('text').value = style.prompt;
    part('negative').value = style.negative_prompt;
  };

  const load = async () => {
    styles = (await webui.getJSON('internal/styles')).styles;
    dialog.querySelector('datalist').replaceChildren(...styles.map(style => Object.assign(document.createElement('option'), { value: style.name })));
    for (const fire of changed) fire();
  };

  const tell = async (what, done) => {
    try {
      await what();
      await load();
      part('note').textContent = done;
    } catch (error) {
      part('note').textContent = error.message;
    }
  };

  const save = () => tell(
    () => webui.send('PUT', 'internal/styles', { name: part('name').value, prompt: part('text').value, negative_prompt: part('negative').value }), 'Saved.');

  const remove = () => {
    const name = part('name').value;
    if (!window.confirm(`Delete the style "${name}"?`)) return;
    tell(() => webui.send('DELETE', 'internal/styles', { name }), 'Deleted.');
  };

  const copy = () => {
    part('text').value = webui.box(tab, 'prompt').value;
    part('negative').value = webui.box(tab, 'negative_prompt').value;
  };

  return {
    attach(element, fire) {
      changed.push(fire);
      const box = element.closest('.toprow-tools')?.querySelector('.styles input');
      if (box) box.placeholder = 'Styles';
    },
    async edit(name) {
      tab = name;
      if (!dialog) build();
      part('note').textContent = '';
      const chosen = webui.form.values(tab).styles || [];
      if (chosen.length) part('name').value = chosen[chosen.length - 1];
      dialog.showModal();
      await load().catch(error => { part('note').textContent = error.message; });
      show();
    },
  };
})();
