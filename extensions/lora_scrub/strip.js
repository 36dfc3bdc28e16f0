// A slider over a scrub strip: each weight shows the nearest picture that was drawn. The strip's parameters tell the LoRA and the weights.
(() => {
  const bars = {}; // by tab: { element, range, shown, use, strip }

  const label = (infotext, name) => new RegExp(`(?:^|, )${name}: ("(?:\\\\.|[^"\\\\])*"|[^,\n]*)`, 'm').exec(infotext)?.[1];
  const unquoted = text => (text?.startsWith('"') ? JSON.parse(text) : text?.trim());

  // The strip that a task drew: { lora, weights, places: of their pictures }; null: it drew none.
  const read = pictures => {
    const grid = pictures.find(one => one.grid && one.infotext.includes('Script: LoRA scrub strip'));
    if (!grid) return null;
    const lora = unquoted(label(grid.infotext, 'Scrub LoRA')), weights = (unquoted(label(grid.infotext, 'Scrub weights')) || '').split(' ').map(Number);
    const places = pictures.flatMap((one, place) => (one.grid || one.beside ? [] : [place]));
    return lora && weights.length > 1 && weights.length === places.length && weights.every(Number.isFinite) ? { lora, weights, places } : null;
  };

  const nearest = (weights, value) => weights.reduce((best, weight, at) => (Math.abs(weight - value) < Math.abs(weights[best] - value) ? at : best), 0);

  const make = tab => {
    const element = webui.make('div', 'scrub-bar'), range = document.createElement('input'), shown = webui.make('output', 'scrub-weight');
    const bar = { element, range, shown, strip: null, at: -1 };
    range.type = 'range';
    range.step = 'any';
    range.addEventListener('input', () => go(tab, bar, nearest(bar.strip.weights, range.valueAsNumber)));
    range.addEventListener('change', () => { range.value = bar.strip.weights[Math.max(bar.at, 0)]; });
    range.addEventListener('keydown', event => {
      const last = bar.strip.weights.length - 1, by = bar.strip.weights[0] > bar.strip.weights[last] ? -1 : 1, from = Math.max(bar.at, 0);
      const to = { ArrowLeft: from - by, ArrowDown: from - by, ArrowRight: from + by, ArrowUp: from + by, Home: by > 0 ? 0 : last, End: by > 0 ? last : 0 }[event.key];
      if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      go(tab, bar, Math.min(Math.max(to, 0), last));
      range.value = bar.strip.weights[bar.at];
      said(bar);
    });
    bar.use = webui.button('', () => webui.prompt.weigh(tab, bar.strip.lora, bar.strip.weights[Math.max(bar.at, 0)]));
    element.append(range, shown, bar.use);
    return bar;
  };

  const go = (tab, bar, at) => {
    if (at === bar.at) return;
    bar.at = at;
    webui.gallery.choose(tab, bar.strip.places[at]);
  };

  const said = bar => {
    const chosen = bar.at >= 0, weight = webui.prompt.round(bar.strip.weights[Math.max(bar.at, 0)]);
    bar.shown.textContent = chosen ? weight : '–';
    bar.range.setAttribute('aria-label', `Weight of ${bar.strip.lora} in the strip`);
    bar.range.setAttribute('aria-valuetext', chosen ? weight : 'the whole strip');
    bar.range.style.setProperty('--filled', `${(100 * (bar.range.valueAsNumber - bar.range.min)) / (bar.range.max - bar.range.min || 1)}%`);
    bar.use.textContent = chosen ? `Use ${weight} in the prompt` : 'Use in the prompt';
    bar.use.disabled = !chosen;
  };

  webui.gallery.watch((tab, { task, pictures, index }) => {
    const strip = webui.progress.active(tab) ? null : read(pictures), status = webui.find(`#${tab}_results .status`);
    if (!strip || !status) { if (bars[tab]) bars[tab].element.hidden = true; return; }
    const bar = (bars[tab] = bars[tab] || make(tab));
    if (!bar.element.isConnected) status.after(bar.element);
    bar.element.hidden = false;
    if (bar.task !== `${task} ${pictures.length}`) {
      bar.task = `${task} ${pictures.length}`;
      bar.range.min = Math.min(...strip.weights);
      bar.range.max = Math.max(...strip.weights);
    }
    bar.strip = strip;
    bar.at = strip.places.indexOf(index);
    if (document.activeElement !== bar.range || bar.at < 0 || nearest(strip.weights, bar.range.valueAsNumber) !== bar.at) bar.range.value = strip.weights[Math.max(bar.at, 0)];
    said(bar);
  });
})();
