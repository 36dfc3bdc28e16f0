// Settings → Defaults: what the fields of all tabs hold now, written into ui-config.json as what they start with.
webui.defaults = (() => {
  const shown = value => (typeof value === 'string' ? value : JSON.stringify(value));

  const page = () => {
    const told = webui.make('p', 'told'), list = webui.make('table', 'defaults');
    told.setAttribute('role', 'status');

    const view = () => {
      const changes = webui.form.changes();
      told.textContent = changes.length ? '' : 'Every field holds its default.';
      list.replaceChildren(...changes.map(({ key, before, after }) => {
        const line = document.createElement('tr');
        line.append(webui.make('th', '', key), webui.make('td', 'before', shown(before)), webui.make('td', 'after', shown(after)));
        return line;
      }));
    };

    const apply = async () => {
      const values = Object.fromEntries(webui.form.changes().map(({ key, after }) => [key, after]));
      try {
        if (Object.keys(values).length) await webui.send('POST', 'internal/defaults', { values });
        view();
        if (Object.keys(values).length) told.textContent = 'Written to ui-config.json. The page starts with it once the program has been started again.';
      } catch (error) {
        told.textContent = error.message;
      }
    };

    return [
      webui.make('p', 'nothing', 'Set the fields of the other tabs as they are to be in the beginning; "View changes" shows what differs from their defaults, "Apply" writes it to ui-config.json.'),
      webui.row([webui.button('View changes', view), webui.button('Apply', apply, 'primary')]), told, list,
    ];
  };

  return { page };
})();
