// The right end of the top bar: engine, jobs, light or dark; and the signal that files have come or gone.
webui.bar = (() => {
  const ENGINE = { starting: 'Starting the engine…', ready: 'Ready', busy: 'Busy', stopped: 'Engine stopped' };
  const stored = () => localStorage.getItem('webui-theme');

  const paint = dark => document.body.classList.toggle('dark', dark);

  const attach = (element, modelsChanged) => {
    const engine = element.querySelector('.engine'), theme = element.querySelector('.theme');
    let catalog = null;
    webui.jobs.attach(element.querySelector('.jobs'));

    theme.addEventListener('click', () => {
      const dark = !document.body.classList.contains('dark');
      localStorage.setItem('webui-theme', dark ? 'dark' : 'light');
      paint(dark);
    });

    webui.progress.watch(state => {
      engine.dataset.state = state.lost ? 'lost' : state.engine;
      engine.textContent = state.lost ? 'No connection to the server' : ENGINE[state.engine] || state.engine;
      if (catalog !== null && catalog !== state.catalog) modelsChanged();
      catalog = state.catalog;
    });
  };

  const wanted = stored() || window.webuiTheme; // this browser's, else that of --theme
  if (['light', 'dark'].includes(wanted) && !new URLSearchParams(location.search).has('__theme')) paint(wanted === 'dark');
  return { attach };
})();
