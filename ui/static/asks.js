// Pictures that other parts of the page ask for: the form of a tab as it stands, drawn by a script of an extension.
webui.asks = (() => {
  const fire = {}, waiting = {}, sent = {}; // by tab; lists of { call, done, failed }

  const NOT_OPENED = tab => `Open the tab ${tab} once: what is set there is needed.`;

  return {
    bind(tab, trigger) { fire[tab] = trigger; },

    // A promise of the ids of the tasks; it fails with the server's sentence. script: its title; values: of its controls, by key.
    // place: a name of plain letters by which the page finds the task again: `webui.progress.active(place)`, `webui.progress.tell('interrupt', place)`.
    script: (tab, { script, values = {}, place }) => new Promise((done, failed) => {
      if (!fire[tab]) return failed(new Error(NOT_OPENED(tab)));
      (waiting[tab] = waiting[tab] || []).push({ call: JSON.stringify({ script, values, place }), done, failed });
      return fire[tab]();
    }),

    // Gradio asks for the next one, and tells what came of it, in the same order.
    next(tab) {
      const one = waiting[tab].shift();
      (sent[tab] = sent[tab] || []).push(one);
      return one.call;
    },
    sent(tab, tasks, refusal) {
      const one = sent[tab].shift();
      webui.progress.again();
      if (refusal) one.failed(new Error(refusal)); else one.done(tasks.split(' '));
    },
  };
})();
