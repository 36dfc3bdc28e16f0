// The tab LoRA duel. The server knows the duels; this page knows which one is open, and remembers it over a reload.
window.webuiDuel = (() => {
  const POLL = 600, AWAY = 2500; // milliseconds
  const OPEN = 'webui-duel-open', { form, earlier, actions, check, said, tell, plural } = window.webuiDuelParts;
  let root = null, parts = {}, open = '', state = null, timer = 0, sending = false, ranking = '', asking = 0, signs = '';
  let blind = webui.store.read('webui-duel').blind !== false;

  const url = what => `lora-duel/${open}${what}`;
  const visible = () => !!root?.isConnected && root.getClientRects().length > 0;
  const picture = one => `${url(`/picture/${one.number}`)}?v=${one.version}`;

  const attach = element => {
    root = element.querySelector('.duel-page');
    parts = build();
    show(sessionStorage.getItem(OPEN) || '');
    new IntersectionObserver(seen => { if (seen.some(one => one.isIntersecting) && !open) home(); }).observe(root);
  };

  // ---- what there is

  const build = () => {
    const made = { start: form(begin), list: webui.make('div', 'duel-list'), home: webui.make('div', 'duel-home'), arena: webui.make('div', 'duel-arena') };
    made.heading = webui.make('h3', '', 'Earlier duels');
    made.home.append(made.start.root, made.heading, made.list);
    made.words = webui.make('p', 'duel-words');
    made.status = webui.make('p', 'duel-status');
    made.status.setAttribute('role', 'status');
    made.problem = said('');
    made.stop = webui.button('Interrupt', () => call('POST', '/stop', { client: webui.client }));
    made.more = webui.button('Draw what is missing', goOn, 'primary');
    made.undo = webui.button('Undo', () => call('POST', '/undo'));
    made.undo.title = 'Undo the last answer (Z)';
    made.blind = check('Blind', blind, on => { blind = on; webui.store.write('webui-duel', { ...webui.store.read('webui-duel'), blind }); signs = ''; paint(); });
    made.blind.title = 'Names are hidden until the ranking is there';
    made.drop = webui.button('Delete', drop);
    made.sides = ['left', 'right'].map(side);
    made.equal = webui.button('Equally good', () => judge('equal'));
    made.equal.title = 'Equally good (↓)';
    made.pair = webui.make('div', 'duel-pair');
    made.pair.append(...made.sides.map(one => one.button));
    made.judging = webui.make('div', 'duel-judging');
    made.left = webui.make('span', 'duel-left');
    made.keys = webui.make('span', 'duel-keys', '← left · → right · ↓ equal · Z undo');
    made.judging.append(made.keys, made.equal, made.undo, made.blind, made.left);
    made.ranking = webui.make('ol', 'duel-ranking');
    made.film = webui.make('div', 'duel-film');
    const head = webui.make('div', 'duel-head'), tools = webui.row([webui.button('All duels', () => show('')), made.more, made.stop, made.drop]);
    head.append(made.words, tools);
    made.arena.append(head, made.problem, made.status, made.pair, made.judging, made.ranking, made.film);
    root.replaceChildren(made.home, made.arena);
    return made;
  };

  const side = name => {
    const button = webui.make('button', 'duel-side'), image = document.createElement('img'), label = webui.make('span', 'duel-label');
    button.type = 'button';
    button.dataset.side = name;
    image.addEventListener('error', () => { button.dataset.broken = 'true'; });
    image.addEventListener('load', () => {
      button.dataset.broken = 'false';
      parts.pair.style.setProperty('--shape', image.naturalWidth / image.naturalHeight);
      parts.pair.dataset.wide = String(image.naturalWidth > .8 * image.naturalHeight); // on a phone one above the other
    });
    button.append(image, label);
    button.addEventListener('click', () => judge(name));
    return { name, button, image, label };
  };

  // ---- which one

  const show = id => {
    open = id;
    if (id) sessionStorage.setItem(OPEN, id); else sessionStorage.removeItem(OPEN);
    state = null;
    ranking = signs = '';
    parts.home.hidden = !!id;
    parts.arena.hidden = true;
    tell(parts.problem, '');
    if (id) look(); else home();
  };

  const home = async () => {
    parts.start.refresh();
    const answer = await webui.getJSON('lora-duel').catch(() => null);
    if (!answer) return;
    parts.heading.hidden = !answer.duels.length;
    parts.list.replaceChildren(...earlier(answer.duels, show));
  };

  const draw = (id, values) => webui.asks.script('txt2img', { script: 'LoRA duel', values: { ...values, duel: id }, place: 'loraduel' });

  const begin = async asked => {
    const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');
    await draw(id, asked);
    show(id);
  };
  const goOn = async () => {
    tell(parts.problem, '');
    try { await draw(open, {}); } catch (error) { tell(parts.problem, error.message); }
    look();
  };
  const drop = async () => {
    if (!window.confirm('Delete this duel? Its pictures stay in the output folder.')) return;
    try {
      await webui.send('DELETE', url(''));
      show('');
    } catch (error) { tell(parts.problem, error.message); }
  };

  // ---- asking the server

  const look = async () => {
    clearTimeout(timer);
    if (!open) return;
    const id = open, mine = ++asking;
    try {
      const answer = await webui.getJSON(`lora-duel/${id}`);
      if (id !== open || mine !== asking) return;
      take(answer);
    } catch {
      if (id !== open || mine !== asking) return;
      tell(parts.problem, 'No connection to the server, or it does not know this duel any more.');
      parts.arena.hidden = false;
      timer = setTimeout(look, AWAY);
    }
  };
  const take = answer => {
    if (parts.problem.textContent.startsWith('No connection')) tell(parts.problem, '');
    state = answer;
    paint();
    clearTimeout(timer);
    if (state.drawing) timer = setTimeout(look, document.hidden ? AWAY : POLL);
  };
  const call = async (method, what, body) => {
    if (sending || !open) return;
    const id = open;
    sending = true;
    try {
      const answer = await webui.send(method, url(what), body);
      asking++; // an older answer that is still on its way is not shown
      if (id === open) take(answer);
      tell(parts.problem, '');
    } catch (error) { tell(parts.problem, error.message); }
    sending = false;
  };
  const judge = better => { if (state?.pair) call('POST', '/judge', { ...state.pair, better }); };

  // ---- showing it

  const paint = () => {
    const { contestants, drawing, pair } = state;
    parts.arena.hidden = false;
    parts.stop.hidden = !drawing;
    parts.drop.hidden = !!drawing || !contestants;
    if (!contestants) return waiting();
    const missing = contestants.filter(one => !one.version && !one.problem).length, ended = !pair && !drawing;
    parts.words.textContent = `${state.prompt} · seed ${state.seed}`;
    parts.words.title = state.prompt;
    parts.more.hidden = !!drawing || !contestants.some(one => !one.version);
    parts.more.classList.toggle('primary', missing > 0);
    parts.more.textContent = missing ? 'Draw what is missing' : 'Try again';
    parts.status.textContent = drawing ? progress(missing) : missing ? `${plural(missing, 'picture')} of ${contestants.length} missing` : '';
    parts.status.hidden = !parts.status.textContent;
    if (!drawing && state.failure) tell(parts.problem, state.failure);
    parts.pair.hidden = !pair;
    parts.judging.hidden = !pair && !state.judged;
    for (const part of [parts.equal, parts.keys, parts.blind]) part.hidden = ended;
    parts.equal.disabled = !pair;
    parts.undo.disabled = !state.judged;
    parts.left.textContent = pair ? `At most ${plural(state.left, 'comparison')} left` : drawing ? 'The next pair comes with the next picture' : '';
    if (pair) for (const one of parts.sides) paintSide(one, contestants[pair[one.name]]);
    paintRanking(ended || !blind, ended);
    paintFilm(ended ? contestants.filter(one => !one.version) : contestants, !blind || ended);
  };

  const waiting = () => {
    const { drawing, failure } = state;
    for (const part of [parts.pair, parts.judging, parts.ranking, parts.film, parts.more]) part.hidden = true;
    parts.words.textContent = '';
    parts.status.hidden = false;
    parts.status.textContent = drawing ? progress(0) : failure ? '' : 'This duel has not begun, or it was cancelled before its turn.';
    tell(parts.problem, drawing ? '' : failure);
  };
  const progress = missing => {
    const { drawing, contestants } = state;
    if (drawing.state === 'queued') return drawing.before ? `Waiting: ${plural(drawing.before, 'task')} before this one` : 'Waiting for its turn…';
    const all = contestants?.length || 0;
    return all ? `Drawing: ${all - missing} of ${all} are there${drawing.status ? ` · ${drawing.status}` : ''}` : drawing.status || 'Preparing…';
  };

  const paintSide = ({ name, button, image, label }, one) => {
    const source = picture(one), named = blind ? (name === 'left' ? 'A' : 'B') : one.label;
    if (image.getAttribute('src') !== source) image.src = source;
    image.alt = `Picture ${named}`;
    label.textContent = named;
    button.setAttribute('aria-label', `${blind ? (name === 'left' ? 'Left picture' : 'Right picture') : one.label} is better`);
  };

  const paintRanking = (seen, ended) => {
    const { places, contestants } = state, shown = seen && places.length > 0 && (ended || places.length > 1 || places[0].length > 1);
    parts.ranking.hidden = !shown;
    const signature = shown ? JSON.stringify([open, ended, places, contestants.map(one => one.version)]) : '';
    if (signature === ranking) return;
    ranking = signature;
    let place = 1;
    parts.ranking.replaceChildren(...(shown ? places : []).flatMap(group => {
      const made = group.map(number => ranked(contestants[number], place, ended));
      place += group.length;
      return made;
    }));
  };
  const ranked = (one, place, ended) => {
    const item = webui.make('li', place === 1 ? 'duel-place first' : 'duel-place'), link = webui.make('a', 'duel-picture'), image = document.createElement('img');
    const words = webui.make('div', 'duel-said'), told = webui.make('p', 'duel-told');
    told.setAttribute('role', 'status');
    const note = async act => { try { told.textContent = await act(); told.classList.remove('wrong'); } catch (error) { told.textContent = error.message; told.classList.add('wrong'); } };
    image.alt = one.label;
    if (one.version) { image.src = link.href = picture(one); link.target = '_blank'; }
    link.append(image);
    words.append(webui.make('span', 'duel-number', `${place}.`), webui.make('b', '', one.lora || 'without'), webui.make('span', 'duel-weight', one.lora ? webui.prompt.round(one.weight) : ''));
    item.append(link, words);
    if (ended && one.lora) item.append(actions(open, one, note));
    item.append(told);
    return item;
  };

  // All of them, small, as they come; a grey one says why it is grey.
  const paintFilm = (contestants, named) => {
    const wanted = JSON.stringify([open, named, contestants.map(one => [one.version, one.problem])]);
    parts.film.hidden = false;
    if (wanted === signs) return;
    signs = wanted;
    parts.film.replaceChildren(...contestants.map(one => {
      const tile = webui.make('span', `duel-tile ${one.problem ? 'failed' : ''}`), image = document.createElement('img');
      image.alt = named || one.problem ? one.label : 'Drawn';
      if (one.version) { image.src = picture(one); tile.append(image); }
      if (one.problem) { tile.append(webui.make('b', '', one.label), webui.make('span', 'why', one.problem)); tile.title = `${one.label}: ${one.problem}`; }
      else if (named) tile.append(webui.make('span', 'name', one.label));
      return tile;
    }));
  };

  document.addEventListener('keydown', event => {
    if (!open || !visible() || event.repeat || event.altKey || event.metaKey || event.shiftKey || document.querySelector('dialog[open]')) return;
    if (event.target.matches?.('input:not([type=checkbox]), textarea, select, [role=tab]') || parts.arena.hidden) return;
    if (event.key.toLowerCase() === 'z' && state?.judged) { event.preventDefault(); return call('POST', '/undo'); }
    const better = event.ctrlKey ? '' : { ArrowLeft: 'left', ArrowRight: 'right', ArrowDown: 'equal' }[event.key];
    if (!better || !state?.pair) return;
    event.preventDefault();
    judge(better);
  });
  webui.progress.watch(news => { if (open && root?.isConnected && news.tasks.some(task => task.tab === 'loraduel' && webui.progress.unfinished(task))) look(); });

  return { attach, state: () => state };
})();
