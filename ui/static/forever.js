// Generate forever: a right click or a long press on Generate opens its menu. While it is on, each task that has ended is followed by another one.
webui.forever = (() => {
  const LONG = 600; // milliseconds
  const on = {}; // by tab: { before: id of the newest task when Generate was pressed, waiting: for the server's answer }
  let dialog = null, tab = '', state = null, timer = 0, held = false;

  const tasks = name => (state ? state.tasks.filter(task => task.tab === name) : []);

  const press = name => {
    on[name] = { before: tasks(name).at(-1)?.id, waiting: true };
    document.getElementById(`${name}_generate`)?.click();
  };

  const start = name => {
    if (tasks(name).some(webui.progress.unfinished)) on[name] = { before: null, waiting: false };
    else press(name);
    show(name);
  };

  const stop = name => { delete on[name]; show(name); };

  const show = name => document.getElementById(`${name}_generate_box`)?.classList.toggle('forever', name in on);

  // The press has made a task, or was refused; what is refused once is refused again.
  const answered = (name, refusal) => {
    if (!on[name]) return;
    on[name].waiting = false;
    if (refusal) stop(name);
  };

  const next = name => {
    const last = tasks(name).at(-1);
    if (on[name].waiting || state.lost || last?.id === on[name].before || tasks(name).some(webui.progress.unfinished)) return;
    if (last?.state === 'failed') stop(name);
    else press(name);
  };

  webui.progress.watch(news => {
    state = news;
    Object.keys(on).forEach(next);
  });

  // ---- the menu

  const build = () => {
    dialog = webui.make('dialog', 'forever-menu');
    dialog.setAttribute('aria-label', 'Generate');
    const item = (text, className, what) => webui.button(text, () => { dialog.close(); what(tab); }, className);
    dialog.append(item('Generate forever', 'begin', start), item('Cancel generate forever', 'end', stop));
    dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close(); });
    (webui.find('.gradio-container') || document.body).append(dialog);
  };

  const open = name => {
    tab = name;
    if (!dialog) build();
    if (dialog.open) return;
    dialog.querySelector('.begin').hidden = tab in on;
    dialog.querySelector('.end').hidden = !(tab in on);
    const box = document.getElementById(`${tab}_generate_box`).getBoundingClientRect();
    dialog.showModal();
    const below = box.bottom + dialog.offsetHeight + 8 < innerHeight;
    dialog.style.top = `${below ? box.bottom + 4 : box.top - dialog.offsetHeight - 4}px`;
    dialog.style.left = `${Math.max(8, Math.min(box.left, innerWidth - dialog.offsetWidth - 8))}px`;
  };

  const button = event => event.target.closest?.('#txt2img_generate_box button, #img2img_generate_box button');
  const tabOf = one => one.id.split('_')[0];

  document.addEventListener('contextmenu', event => {
    const one = button(event);
    if (!one) return;
    event.preventDefault();
    open(tabOf(one));
  });

  // A finger that rests; the click that would follow is not meant.
  document.addEventListener('pointerdown', event => {
    const one = event.pointerType === 'touch' && button(event);
    held = false;
    clearTimeout(timer);
    if (one) timer = setTimeout(() => { held = true; open(tabOf(one)); }, LONG);
  }, true);
  for (const end of ['pointerup', 'pointercancel', 'scroll']) document.addEventListener(end, () => clearTimeout(timer), true);
  document.addEventListener('click', event => {
    if (!held || !event.isTrusted) return;
    held = false;
    event.preventDefault();
    event.stopPropagation();
  }, true);

  return { answered };
})();
