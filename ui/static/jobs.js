// What waits and runs, everyone's: the pill in the bar on top, the list behind it, and the line that offers what was left over from the last run.
webui.jobs = (() => {
  const POLL = 700; // milliseconds, while the list is open
  const OWNERS = { own: 'This page', page: 'Another page', api: 'API' };
  const plural = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;

  const attach = pill => {
    pill.addEventListener('click', open);
    webui.progress.watch(state => {
      const count = state.unfinished ? String(state.unfinished) : '';
      pill.replaceChildren('Jobs', ...(count ? [webui.make('b', '', count)] : []));
      pill.title = count ? `${plural(state.unfinished, 'job')} waiting or running` : 'Nothing waits or runs';
    });
  };

  // ---- what was left over

  const offer = element => {
    const root = element.querySelector('.left-jobs'), [go, discard] = root.querySelectorAll('button'), text = root.querySelector('[role=status]');
    const decide = async take_up => {
      go.disabled = discard.disabled = true;
      try {
        await webui.send('POST', 'internal/jobs/left', { client: webui.client, take_up });
        root.hidden = true;
      } catch (error) { text.textContent = error.message; }
      go.disabled = discard.disabled = false;
      webui.progress.again();
    };
    go.addEventListener('click', () => decide(true));
    discard.addEventListener('click', () => decide(false));
    webui.progress.watch(state => {
      root.hidden = !state.left;
      text.textContent = `${plural(state.left, 'job')} ${state.left === 1 ? 'was' : 'were'} waiting when the program ended.`;
    });
  };

  // ---- the list

  let dialog = null, list = null, note = null, rows = new Map(), timer = 0, asked = 0, shown = 0;

  const open = () => {
    list = webui.make('ol', 'jobs-list');
    note = webui.make('p', 'note');
    note.setAttribute('role', 'status');
    rows = new Map();
    dialog = webui.dialog('Jobs', [list, note, webui.row([webui.button('Close', () => dialog.close())])]);
    dialog.addEventListener('close', () => { clearTimeout(timer); dialog.remove(); dialog = null; });
    dialog.showModal();
    look();
  };

  const look = async () => {
    clearTimeout(timer);
    await ask(() => webui.getJSON(`internal/jobs?client=${webui.client}`), 'No connection to the server');
    if (dialog) timer = setTimeout(look, document.hidden ? 4000 : POLL);
  };

  const act = async (what, body = {}) => {
    note.dataset.refusal = '';
    await ask(() => webui.send('POST', `internal/jobs/${what}`, { client: webui.client, ...body }));
    webui.progress.kick();
  };

  // An answer that was overtaken by a later one is not shown; a refusal stays until the next press.
  const ask = async (question, lost) => {
    const turn = ++asked, opened = dialog;
    try {
      const answer = await question();
      if (dialog !== opened || turn < shown) return;
      shown = turn;
      if (lost && note.textContent === lost) note.textContent = '';
      show(answer.jobs);
    } catch (error) {
      if (dialog !== opened) return;
      note.textContent = lost || error.message;
      note.dataset.refusal = lost ? '' : 'yes';
    }
  };

  const show = jobs => {
    const focused = dialog.contains(document.activeElement) ? document.activeElement : null;
    const made = jobs.map(job => row(job));
    if (made.some((one, place) => one !== list.children[place]) || made.length !== list.children.length) list.replaceChildren(...made);
    rows = new Map(jobs.map(job => [job.key, rows.get(job.key)]));
    if (!note.dataset.refusal) note.textContent = jobs.length ? '' : 'Nothing waits or runs.';
    if (focused && document.activeElement !== focused) { // it was moved along with its row, or cannot be pressed any more
      const next = focused.isConnected ? (focused.disabled ? focused.parentElement.querySelector('.order:not(:disabled)') : focused) : null;
      (next || dialog).focus();
    }
  };

  const row = job => {
    const one = rows.get(job.key) || make(job.key);
    rows.set(job.key, one);
    const part = selector => one.querySelector(selector);
    const prompt = job.prompt === null ? 'A picture of somebody else' : job.prompt || (job.size ? 'Empty prompt' : job.kind);
    one.dataset.state = job.state;
    one.dataset.owner = job.owner;
    write(part('.prompt'), prompt);
    part('.prompt').classList.toggle('none', !job.prompt);
    write(part('.state'), state(job));
    write(part('.facts'), facts(job));
    part('.meter').hidden = job.state !== 'running';
    part('.meter i').style.width = `${Math.round(job.progress * 100)}%`;
    part('.tools').hidden = !job.may;
    part('.first').disabled = part('.up').disabled = !job.up;
    part('.down').disabled = !job.down;
    for (const button of one.querySelectorAll('.order')) button.hidden = job.state !== 'queued';
    return one;
  };

  const make = key => {
    const one = webui.make('li', 'job'), text = webui.make('div', 'about'), tools = webui.make('div', 'tools'), meter = webui.make('div', 'meter');
    meter.append(webui.make('i', ''));
    text.append(webui.make('p', 'prompt'), webui.make('p', 'state'), meter, webui.make('p', 'facts'));
    const tool = (name, sign, title, press) => {
      const button = webui.button(sign, press, `${name} icon`);
      button.title = title;
      button.setAttribute('aria-label', title);
      return button;
    };
    const order = (name, sign, title) => tool(`${name} order`, sign, title, () => act(`${key}/move`, { to: name }));
    tools.append(
      order('first', '⇈', 'To the front'), order('up', '↑', 'Earlier'), order('down', '↓', 'Later'),
      tool('cancel', '✕', 'Cancel', () => act(`${key}/cancel`)),
    );
    one.append(text, tools);
    return one;
  };

  const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };

  const state = job => {
    if (job.state === 'queued') return job.position ? `Waiting: ${job.position} before it` : 'Waiting';
    const left = job.eta == null ? '' : ` · ${webui.progress.clock(job.eta)} left`;
    return `${job.size ? 'Drawing' : 'Working'}: ${Math.round(job.progress * 100)}%${left}`;
  };

  const facts = job => [
    OWNERS[job.owner], job.kind, ...(job.size ? [job.size.join(' × ')] : []), ...(job.steps ? [plural(job.steps, 'step')] : []),
    ...(job.pictures > 1 ? [plural(job.pictures, 'picture')] : []),
  ].join(' · ');

  return { attach, offer };
})();
