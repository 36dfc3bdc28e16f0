// The values of each tab by field name: filled by JavaScript, kept in this browser. Gradio calls merge, restore and note (ui/bind.py).
webui.form = (() => {
  const tabs = {}; // by name: { fire, now, wanted }
  const KEY = tab => `webui-form-${tab}`;
  const of = tab => (tabs[tab] = tabs[tab] || { fire: null, now: {}, wanted: {} });
  const listeners = [];

  const save = webui.later(250, tab => webui.store.write(KEY(tab), of(tab).now));

  const named = (names, values) => Object.fromEntries(names.map((name, index) => [name, values[index]]));
  const inOrder = (names, values, fallback) => names.map((name, index) => (name in values ? values[name] : fallback[index]));

  return {
    attach: (tab, fire) => { of(tab).fire = fire; },

    // Writes values by field name, as if they had been set by hand. Names that the tab does not have are passed over.
    fill(tab, values) {
      const form = of(tab);
      Object.assign(form.wanted, values);
      if (form.fire) form.fire();
    },

    merge(tab, names, values) {
      const form = of(tab), merged = inOrder(names, form.wanted, values);
      form.wanted = {};
      return merged;
    },

    restore(tab, names, values) {
      const form = of(tab), kept = webui.store.read(KEY(tab));
      form.start = named(names, values);
      return inOrder(names, kept, values);
    },

    note(tab, names, values) {
      of(tab).now = named(names, values);
      save(tab);
      for (const listener of listeners) listener(tab, of(tab).now);
    },

    watch: listener => { listeners.push(listener); },
    values: tab => of(tab).now,

    // Everything back to what the page starts with.
    reset(tab) {
      webui.size.touch(false);
      this.fill(tab, of(tab).start || {});
    },
  };
})();
