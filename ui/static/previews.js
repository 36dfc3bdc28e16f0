// Below the cards: previews for all that have none. The server makes them; a page shows how far it is, and says start, pause, continue, stop.
webui.previews = (() => {
  const AGAIN = 1500; // milliseconds
  let state = null, timer = 0;

  const look = async () => {
    clearTimeout(timer);
    const answer = await webui.getJSON('internal/previews').catch(() => null);
    if (answer) { state = answer; paint(); }
    if (state?.active) timer = setTimeout(look, document.hidden ? 4 * AGAIN : AGAIN);
  };
  const order = async (what, kind) => {
    try {
      state = await webui.send('POST', 'internal/previews', { what, kind });
    } catch (error) {
      state = { ...state, said: error.message };
    }
    paint();
    if (state.active) { clearTimeout(timer); timer = setTimeout(look, AGAIN / 3); }
  };

  const paint = () => { for (const panel of webui.networks.panels) if (panel.root.isConnected) fill(panel); };
  const fill = panel => {
    const place = panel.part('.previews');
    if (!state.kinds.includes(panel.kind) || !panel.total) return place.replaceChildren();
    const held = place.contains(document.activeElement) && document.activeElement.textContent;
    const mine = state.kind === panel.kind && state.state !== 'none', going = state.active || state.state === 'paused';
    const buttons = !going ? [['Make previews for all cards without one', 'start']]
      : !mine ? [] : [state.active ? ['Pause', 'pause'] : ['Continue', 'continue'], ['Stop', 'stop']];
    const told = webui.make('span', 'told', mine ? sentence() : '');
    told.setAttribute('role', 'status');
    told.title = mine ? state.failures.map(one => `${one.count} × ${one.reason} (${one.names.join(', ')}${one.count > one.names.length ? ' …' : ''})`).join('\n') : '';
    const said = webui.make('span', 'said', state.said);
    place.replaceChildren(told, ...(state.said ? [said] : []), ...buttons.map(([text, what]) => webui.button(text, () => order(what, panel.kind), 'small')));
    if (held) [...place.querySelectorAll('button')].find(button => button.textContent === held)?.focus();
  };
  const sentence = () => {
    if (state.state === 'looking') return 'Looking for cards without a picture …';
    if (state.state === 'done' && !state.total) return 'Every card has a picture.';
    const how = { waiting: 'Previews wait until nothing else is drawn', running: 'Previews', paused: 'Previews paused', done: 'Previews done', stopped: 'Previews stopped' }[state.state];
    const failed = state.failed ? `, ${state.failed} failed: ${state.failures.map(one => one.reason.replace(/\.$/, '')).slice(0, 2).join('; ')}` : '';
    return `${how}: ${state.made + state.failed} of ${state.total}${failed}`;
  };

  return { show: webui.later(300, look) }; // many panels and many new files ask one question
})();
