// Re-render and compare: a picture's file goes to the server, which draws it again; then both side by side, their difference, and the verdict.
webui.compare = (() => {
  const POLL = 500; // milliseconds
  const KINDS = { checkpoint: 'Checkpoint', vae: 'VAE', lora: 'Lora' };

  // source: file() → a promise of the picture's file
  const button = source => webui.button('Re-render and compare', async () => open(await source.file()), 'compare');

  const open = async file => {
    const files = webui.make('ul', 'compare-needs'), note = webui.make('p', 'compare-note', 'Reading the picture…'), why = webui.make('ul', 'compare-why');
    const pictures = webui.make('div', 'compare-pictures');
    note.setAttribute('role', 'status');
    const stop = webui.button('Interrupt', () => webui.progress.tell('interrupt', 'compare'), 'stop'), close = webui.button('Close', () => dialog.close());
    const dialog = webui.dialog('Re-render and compare', [note, pictures, why, files, webui.row([stop, close])]);
    dialog.classList.add('compare-dialog');
    let timer = 0;
    dialog.addEventListener('close', () => { clearTimeout(timer); timer = -1; dialog.remove(); });
    stop.hidden = true;
    dialog.showModal();

    const show = told => {
      files.replaceChildren(...told.needs.map(need => {
        const row = webui.make('li', need.found ? '' : 'missing', `${KINDS[need.kind]} ${need.name}`);
        if (need.found) row.append(webui.make('span', '', ` ${need.found}${need.hash && !need.note ? ', by its hash' : ''}`));
        return row;
      }));
      const running = !told.problem && !told.verdict;
      stop.hidden = !running;
      note.classList.toggle('wrong', !!told.problem);
      note.textContent = told.problem || told.verdict?.sentence || (told.state === 'queued' ? 'Waiting for its turn…' : told.status || `Drawing it again: ${Math.round(100 * told.progress)}%`);
      why.replaceChildren(...(told.verdict?.reasons || []).map(reason => webui.make('li', '', reason)));
      if (told.problem || (told.verdict && !pictures.children.length)) shown(told);
      if (running && timer !== -1) timer = setTimeout(look, POLL, told.id);
    };

    const shown = told => {
      const names = [['before', 'The picture']];
      if (told.verdict && told.state === 'done') names.push(['after', 'Drawn again']);
      if (told.verdict?.most) names.push(['difference', told.brighter > 1 ? `Difference, ${told.brighter} times brighter` : 'Difference']);
      pictures.replaceChildren(...names.map(([which, label]) => {
        const figure = webui.make('figure', ''), image = document.createElement('img');
        image.src = `internal/compare/${told.id}/${which}.png`;
        image.alt = label;
        figure.append(image, webui.make('figcaption', '', label));
        return figure;
      }));
    };

    const look = async id => {
      try { show(await webui.getJSON(`internal/compare/${id}`)); } catch {
        note.textContent = 'No connection to the server';
        if (timer !== -1) timer = setTimeout(look, 4 * POLL, id);
      }
    };

    try {
      show(await webui.send('POST', `internal/compare?client=${webui.client}`, file));
    } catch (error) {
      note.textContent = error.message;
      note.classList.add('wrong');
    }
    webui.progress.kick();
  };

  return { button };
})();
