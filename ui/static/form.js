// The values of each tab by field name: filled by JavaScript; what a person changed is kept in this browser. Gradio calls merge, restore and note (ui/bind.py).
webui.form = (() => {
  const tabs = {}; // by name: { fire, now, wanted, labels, start: what the page came with, null until it has been filled with what was kept }
  const KEY = tab => `webui-form-${tab}`;
  const of = tab => (tabs[tab] = tabs[tab] || { fire: null, now: {}, wanted: {}, start: null });
  const listeners = [];

  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const chosen = name => webui.size.touched || (name !== 'width' && name !== 'height'); // else the checkpoint sets them
  const changed = ({ now, start }) => Object.fromEntries(Object.entries(now).filter(([name, value]) => chosen(name) && !same(value, start[name])));

  const save = tab => { if (of(tab).start) webui.store.write(KEY(tab), changed(of(tab))); };
  const saveSoon = webui.later(250, save);
  addEventListener('pagehide', () => Object.keys(tabs).forEach(save));

  const named = (names, values) => Object.fromEntries(names.map((name, index) => [name, values[index]]));

  return {
    attach: (tab, fire) => { of(tab).fire = fire; },

    // Writes values by field name, as if they had been set by hand. Names that the tab does not have are passed over.
    fill(tab, values) {
      const form = of(tab);
      Object.assign(form.wanted, values);
      if (form.fire) form.fire();
    },

    merge(tab, names, values) {
      const form = of(tab), wanted = form.wanted;
      form.wanted = {};
      return names.map((name, index) => (name in wanted ? wanted[name] : values[index]));
    },

    // What was not kept stays as it is by now: a person may have been quicker.
    restore(tab, names, values, labels) {
      const form = of(tab), kept = webui.store.read(KEY(tab));
      const start = named(names, values);
      Object.assign(form, { start, labels, now: { ...start, ...kept } }); // a page that is left at once has lost nothing
      return names.map(name => (name in kept ? kept[name] : webui.AS_IT_IS));
    },

    note(tab, names, values) {
      of(tab).now = named(names, values);
      saveSoon(tab);
      for (const listener of listeners) listener(tab, of(tab).now);
    },

    watch: listener => { listeners.push(listener); },
    values: tab => of(tab).now,

    // What differs from what the page came with, in all tabs, by A1111's keys of ui-config.json: [{ key, before, after }]
    changes: () => Object.entries(tabs).filter(([, form]) => form.start).flatMap(([tab, form]) => Object.entries(changed(form))
      .filter(([name]) => form.labels[name] && name !== 'override_settings')
      .map(([name, after]) => ({ key: `${tab}/${form.labels[name]}/value`, before: form.start[name], after }))),

    // Everything back to what the page starts with.
    reset(tab) {
      webui.size.touch(false);
      this.fill(tab, of(tab).start || {});
    },
  };
})();
