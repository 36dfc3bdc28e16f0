// "12/75" in the corner of a prompt box. The server counts, a moment after the last key.
webui.counter = (() => {
  const counts = new WeakMap(); // text box → its number
  const asked = {};

  const place = (tab, name) => {
    const box = webui.box(tab, name);
    if (!box) return null;
    if (!counts.has(box)) {
      const number = webui.make('span', 'token-counter');
      number.title = 'Tokens, and how many fit without another chunk';
      number.id = name === 'prompt' ? `${tab}_token_counter` : `${tab}_negative_token_counter`;
      box.parentElement.append(number);
      counts.set(box, number);
    }
    return counts.get(box);
  };

  const count = webui.later(150, async (tab, values) => {
    const body = { prompt: values.prompt || '', negative_prompt: values.negative_prompt || '', styles: values.styles || [], steps: values.steps || 20 };
    const key = JSON.stringify(body);
    if (asked[tab] === key && webui.find(`#${tab}_token_counter`)?.textContent) return;
    asked[tab] = key;
    const found = await webui.send('POST', 'internal/tokens', body).catch(() => null); // the server is away: the numbers stay
    if (!found || asked[tab] !== key) return;
    for (const name of ['prompt', 'negative_prompt']) {
      const number = place(tab, name);
      if (number) number.textContent = found[name].join('/');
    }
  });

  webui.form.watch(count);
  return { count };
})();
