// One poller per page. Who wants to know says `webui.progress.watch(state => …)`; a 204 means that nothing has changed.
webui.progress = (() => {
  const BUSY = 400, IDLE = 1500, HIDDEN = 4000, RETRY = 3000; // milliseconds
  const watchers = [];
  let state = null, rev = '', timer = 0, asking = false, again = false;

  const unfinished = task => task.state === 'queued' || task.state === 'running';
  const busy = () => !!state && state.tasks.some(unfinished);
  const active = tab => (state ? state.tasks.find(task => unfinished(task) && (!tab || task.tab === tab)) : undefined);

  const pause = lost => {
    if (lost) return RETRY;
    if (busy()) return document.hidden ? 1000 : BUSY;
    return document.hidden ? HIDDEN : IDLE;
  };

  const ask = async () => {
    clearTimeout(timer);
    if (asking) { again = true; return; }
    asking = true;
    let lost = false;
    try {
      const answer = await fetch(`internal/progress?client=${webui.client}&rev=${rev}`, { cache: 'no-store' });
      if (!answer.ok) throw new Error(String(answer.status));
      if (answer.status === 200) {
        state = await answer.json();
        rev = state.rev;
        tellAll({ ...state, lost: false });
      } else if (state && state.lost) {
        state.lost = false;
        tellAll(state);
      }
    } catch {
      lost = true; // the server is away; the next answer is a whole one
      rev = '';
      if (state) tellAll((state = { ...state, lost: true }));
    }
    asking = false;
    timer = setTimeout(ask, again ? 0 : pause(lost));
    again = false;
  };

  const tellAll = news => {
    for (const watcher of watchers) watcher(news);
    title(news);
  };

  const title = news => {
    const task = news.tasks.find(unfinished);
    const name = 'Stable Diffusion';
    if (!task) { document.title = name; return; }
    const eta = task.eta == null ? '' : ` ETA: ${clock(task.eta)}`;
    document.title = `[${Math.round(task.progress * 100)}%${eta}] ${name}`;
  };

  // 75 → "1:15"
  const clock = seconds => {
    const whole = Math.max(0, Math.round(seconds));
    const minutes = Math.floor(whole / 60), two = number => String(number).padStart(2, '0');
    return minutes < 60 ? `${minutes}:${two(whole % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
  };

  document.addEventListener('visibilitychange', () => { if (!document.hidden) ask(); });

  return {
    watch(watcher) {
      watchers.push(watcher);
      if (state) watcher(state); else ask();
    },
    kick: ask,
    again: () => { rev = ''; ask(); }, // the whole state, changed or not
    unfinished,
    active,
    clock,
    tell: async (what, tab) => { // "interrupt" or "skip"
      await webui.postJSON(`internal/${what}`, { client: webui.client, tab: tab || '' }).catch(() => {});
      ask();
    },
  };
})();
