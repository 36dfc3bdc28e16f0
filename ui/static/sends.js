// "Send to": parameters and picture to another tab. A place that takes pictures says so with `webui.sends.receive`.
webui.sends = (() => {
  const places = []; // { name, title, tab, picture(file), parameters }

  const open = tab => {
    const buttons = Array.from(document.querySelectorAll('#tabs > .tab-wrapper [role=tab], #tabs > .tab-wrapper .overflow-dropdown button'));
    buttons.find(button => webui.localization.original(button) === tab)?.click();
  };

  const receive = place => { places.push(place); };

  // source: infotext() → text; file() → a promise of the picture's file.
  // from: the tab that the buttons stand on, to which parameters alone are not sent.
  const buttons = (source, from = '') => places.filter(place => place.picture || place.tab !== from).map(place => webui.button(place.name, async () => {
    open(place.tab);
    if (place.parameters && source.infotext()) await webui.paste.text(place.tab, source.infotext());
    if (place.picture) place.picture(await source.file());
  }));

  receive({ name: '→ txt2img', tab: 'txt2img', parameters: true });
  return { buttons, receive, open };
})();

// Prompt, negative prompt and the line of parameters into `box`, each in its own shade.
webui.infotext = (box, text) => {
  if (box.dataset.text === text) return;
  box.dataset.text = text;
  const lines = text.split('\n'), last = lines.length > 1 || /^Steps: \d/.test(text) ? lines.pop() : '';
  const at = lines.findIndex(line => line.startsWith('Negative prompt:'));
  const positive = (at < 0 ? lines : lines.slice(0, at)).join('\n'), negative = at < 0 ? '' : lines.slice(at).join('\n');
  const made = [['asked', positive], ['unwanted', negative], ['parameters', last]].filter(([, words]) => words);
  box.replaceChildren(...made.map(([name, words]) => webui.make('p', name, words)));
};
