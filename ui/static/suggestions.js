// In the empty prompt box: examples that the checkpoint knows. Under it: the LoRAs, each a button that puts its tag in or takes it out.
webui.suggestions = (() => {
  const EXAMPLES = 6, LORAS = 24;
  let root = null, examples = [], loras = [], catalog = null;

  const prompt = () => webui.find('#txt2img_prompt textarea');
  const negative = () => webui.find('#txt2img_neg_prompt textarea');
  const quoted = text => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const tag = name => new RegExp(`\\s*<lora:${quoted(name)}(?::[^>]*)?>`, 'g');

  const chip = (text, title, click) => {
    const button = webui.make('button', 'chip', text);
    button.type = 'button';
    if (title) button.title = title;
    button.addEventListener('click', click);
    return button;
  };

  const showExamples = () => {
    const row = root.querySelector('.examples'), box = prompt();
    row.hidden = !examples.length || !box || box.value.trim() !== '';
    if (row.hidden) return;
    row.querySelector('.list').replaceChildren(...examples.slice(0, EXAMPLES).map(text => chip(text, 'Write this into the prompt', () => {
      webui.write(prompt(), text);
      prompt().focus();
    })));
  };

  const showLoras = () => {
    const row = root.querySelector('.loras'), search = row.querySelector('.search');
    const wanted = search.value.trim().toLowerCase();
    const found = loras.filter(lora => `${lora.name} ${lora.text}`.toLowerCase().includes(wanted));
    row.hidden = !loras.length;
    search.hidden = loras.length <= LORAS;
    row.querySelector('.list').replaceChildren(...found.slice(0, LORAS).map(lora => {
      const button = chip(lora.name, lora.description, () => toggle(lora));
      button.lora = lora;
      return button;
    }));
    row.querySelector('.more').textContent = found.length > LORAS ? `and ${found.length - LORAS} more` : '';
    mark();
  };

  // Which of them the prompt already holds, with any weight.
  const mark = () => {
    const text = prompt() ? prompt().value : '';
    for (const button of root.querySelectorAll('.loras .chip')) {
      button.setAttribute('aria-pressed', String(tag(button.lora.name).test(text)));
    }
  };

  const toggle = lora => {
    const on = tag(lora.name).test(prompt().value);
    swap(prompt(), `<lora:${lora.name}:${lora.weight}>`, lora.text, tag(lora.name), on);
    if (lora.negative) swap(negative(), '', lora.negative, null, on);
  };

  // As A1111 does it: a space, the tag, a space, the activation text; and out again.
  const swap = (box, inserted, words, pattern, on) => {
    const added = [inserted, words].filter(Boolean).join(' ');
    if (!on) return webui.write(box, [box.value.trimEnd(), added].filter(Boolean).join(' '));
    let text = pattern ? box.value.replace(pattern, '') : box.value;
    if (words) text = text.replace(new RegExp(`\\s*${quoted(words)}(?=\\s|,|$)`), '');
    webui.write(box, text.trimStart());
  };

  const attach = element => {
    root = element;
    root.querySelector('.search').addEventListener('input', showLoras);
    document.addEventListener('input', event => {
      if (event.target === prompt()) { showExamples(); mark(); }
    });
    webui.progress.watch(async state => {
      if (catalog === state.catalog) return;
      catalog = state.catalog;
      loras = await webui.getJSON('internal/loras').then(answer => answer.loras, () => loras);
      showLoras();
    });
  };

  return {
    attach,
    checkpoint: async name => {
      webui.titles();
      const query = new URLSearchParams({ checkpoint: name || '' });
      examples = await webui.getJSON(`internal/examples?${query}`).then(answer => answer.examples, () => []);
      if (root) showExamples();
    },
  };
})();
