// Live: while it is on, a moved slider redraws a small picture of few steps with the same seed. The newest value wins, the older draft is cancelled.
webui.drafts = (() => {
  const POLL = 150, CALM = 60; // milliseconds
  const drafts = {}; // tab → { root, send, seed, … }

  const attach = (root, tab) => {
    const part = selector => root.querySelector(selector);
    drafts[tab] = { ...drafts[tab], root, seed: -1, sending: false, again: false, rounds: 0 };
    part('.live').addEventListener('click', () => {
      const on = part('.live').getAttribute('aria-pressed') !== 'true';
      part('.live').setAttribute('aria-pressed', String(on));
      part('.draft').hidden = !on;
      if (on) { drafts[tab].seed = -1; moved(tab); } else stop(tab);
    });
  };

  const on = tab => drafts[tab] && drafts[tab].root.isConnected && drafts[tab].root.querySelector('.live').getAttribute('aria-pressed') === 'true';

  // From Python's side: how this tab asks for a draft.
  const bind = (tab, send) => { drafts[tab] = { ...drafts[tab], send }; };

  const moved = tab => {
    if (!on(tab)) return;
    const draft = drafts[tab];
    draft.again = true;
    clearTimeout(draft.calm);
    draft.calm = setTimeout(() => ask(tab), CALM);
  };

  // One question at a time; what moved meanwhile is asked afterwards, once.
  const ask = tab => {
    const draft = drafts[tab];
    if (draft.sending || !draft.send) return;
    draft.sending = true;
    draft.again = false;
    say(draft, '…');
    draft.send();
  };

  // The same seed for all drafts: that of the form, else of the picture that is shown, else one drawn here.
  const seed = (tab, asked) => {
    if (asked !== null && asked >= 0) return asked;
    const draft = drafts[tab];
    if (draft.seed < 0) draft.seed = shownSeed(tab) ?? Math.floor(Math.random() * 2 ** 31);
    return draft.seed;
  };
  const shownSeed = tab => {
    const match = /\bSeed: (\d+)/.exec(webui.find(`#${tab}_gallery .infotext`)?.textContent || '');
    return match ? Number(match[1]) : null;
  };

  // The task is on its way, or was refused.
  const sent = (tab, id, refusal) => {
    const draft = drafts[tab];
    draft.sending = false;
    if (draft.again) return ask(tab);
    if (refusal) return say(draft, refusal);
    follow(tab, id, ++draft.rounds);
  };

  const follow = async (tab, id, round) => {
    const draft = drafts[tab];
    while (on(tab) && round === draft.rounds) {
      const state = await webui.getJSON(`internal/draft/${encodeURIComponent(id)}`).catch(() => null);
      if (round !== draft.rounds || !state || state.gone) return;
      const image = draft.root.querySelector('.draft img');
      if (state.url) { image.hidden = false; image.src = state.url; }
      if (state.ended) return say(draft, state.error || (state.url ? state.about : ''));
      say(draft, state.waiting ? `Waits for ${state.waiting} other task${state.waiting > 1 ? 's' : ''}` : state.step ? `step ${state.step} of ${state.steps}` : state.status || '…');
      await new Promise(done => setTimeout(done, POLL));
    }
  };

  const say = (draft, text) => { draft.root.querySelector('.draft .state').textContent = text; };

  const stop = tab => {
    drafts[tab].rounds++;
    webui.postJSON('internal/draft/stop', { client: webui.client }).catch(() => {});
  };

  document.addEventListener('input', event => { const tab = webui.prompt.tabOf(event.target); if (tab && event.isTrusted) moved(tab); });
  document.addEventListener('webui:history', event => moved(event.detail.tab));

  return { attach, bind, moved, seed, sent };
})();
