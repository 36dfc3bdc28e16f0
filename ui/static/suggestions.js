// In the empty prompt box: examples that the checkpoint knows.
webui.suggestions = (() => {
  const EXAMPLES = 6;
  let root = null, examples = [];

  const prompt = () => webui.find('#txt2img_prompt textarea');

  const show = () => {
    const row = root.querySelector('.examples'), box = prompt();
    row.hidden = !examples.length || !box || box.value.trim() !== '';
    if (row.hidden) return;
    row.querySelector('.list').replaceChildren(...examples.slice(0, EXAMPLES).map(text => {
      const button = webui.make('button', 'chip', text);
      button.type = 'button';
      button.title = 'Write this into the prompt';
      button.addEventListener('click', () => {
        webui.write(prompt(), text);
        prompt().focus();
      });
      return button;
    }));
  };

  const attach = element => {
    root = element;
    document.addEventListener('input', event => { if (event.target === prompt()) show(); });
    document.addEventListener('webui:synced', show);
  };

  return {
    attach,
    checkpoint: async name => {
      webui.titles();
      webui.networks.checkpoint(name);
      const query = new URLSearchParams({ checkpoint: name || '' });
      examples = await webui.getJSON(`internal/examples?${query}`).then(answer => answer.examples, () => []);
      if (root) show();
    },
  };
})();
