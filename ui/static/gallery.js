// Preview, progress, pictures and parameters of this page's tasks. All text goes in by textContent.
webui.gallery = (() => {
  const tabs = {}; // by name: the gallery of each
  const watchers = [];

  const make = (element, tab) => {
    const root = element.querySelector('.results') || element;
    let shown = null; // id of the task whose pictures are in the gallery
    let pictures = []; // of that task
    let hidden = 0; // pictures that it has taken back
    let chosen = -1; // index in pictures; -1: the newest, and the preview while one is being drawn
    let drawing = ''; // id of the task that runs or waits
    let refusal = ''; // why the last press of Generate made no task
    let fetching = '';
    let announced = '';

    const part = selector => root.querySelector(selector);
    const picture = () => pictures[chosen < 0 ? newest() : chosen];
    // Of a task that has ended: the one that its script put first.
    const newest = () => {
      const front = drawing ? -1 : pictures.findIndex(one => one.front);
      return front < 0 ? pictures.length - 1 : front;
    };
    const plural = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;

    const start = () => {
      part('.copy').addEventListener('click', copy);
      part('.picture').addEventListener('click', event => webui.lightbox.clicked(event, tab));
      webui.pictureTools.attach(root, tab);
      part('.thumbs').addEventListener('keydown', arrows);
      part('.sends').replaceChildren(...webui.sends.buttons({ infotext: () => picture().infotext, file: () => fetch(picture().url).then(answer => answer.blob()) }, tab));
      webui.progress.watch(update);
      webui.titles();
    };

    const update = async whole => {
      if (!root.isConnected) return;
      const state = { ...whole, tasks: whole.tasks.filter(task => task.tab === tab) };
      const running = state.tasks.find(webui.progress.unfinished);
      const ended = state.tasks.filter(task => !webui.progress.unfinished(task));
      if (running && running.id !== drawing) chosen = -1;
      drawing = running ? running.id : '';
      showProgress(state, running);
      showMessages(running, ended[ended.length - 1]);
      buttons(running);
      if (running) root.dataset.state = running.state;
      await load(state.tasks);
      if (!running) root.dataset.state = pictures.length ? 'done' : 'empty';
      showPicture(running);
      announce(running, ended[ended.length - 1]);
    };

    // The gallery belongs to the newest task that has drawn something; only pictures that are new here are asked for.
    const load = async tasks => {
      const task = [...tasks].reverse().find(one => one.images);
      if (!task && tasks.some(one => one.id === shown)) return drop();
      const same = !!task && task.id === shown && task.hidden === hidden;
      if (!task || (same && task.images === pictures.length)) return;
      const start = same && task.images > pictures.length ? pictures.length : 0, wanted = `${task.id} ${task.images} ${task.hidden}`;
      if (fetching === wanted) return;
      fetching = wanted;
      try {
        const answer = await webui.getJSON(`internal/task/${encodeURIComponent(task.id)}?start=${start}`);
        if (fetching !== wanted) return; // a newer answer is on its way
        pictures = start ? pictures.concat(answer.pictures) : answer.pictures;
        if (!same) chosen = -1;
        shown = task.id;
        hidden = task.hidden;
        if (pictures.length && tab !== 'extras') localStorage.setItem('webui-last-parameters', pictures[pictures.length - 1].infotext);
        showThumbs();
      } catch {
        setTimeout(() => webui.progress.again(), 1000);
      } finally {
        if (fetching === wanted) fetching = '';
      }
    };

    // After a deletion: what is left is asked for anew.
    const drop = () => {
      pictures = [];
      shown = null;
      chosen = -1;
      showThumbs();
    };

    const showProgress = (state, task) => {
      const percent = task ? Math.round(task.progress * 100) : 0;
      part('.bar').setAttribute('aria-valuenow', percent);
      part('.bar i').style.width = `${percent}%`;
      part('.what').textContent = task ? what(state, task) : summary(state.tasks[state.tasks.length - 1]);
      part('.left').textContent = task && task.state === 'running' && task.eta != null ? `${webui.progress.clock(task.eta)} left` : '';
      part('.empty').textContent = state.checkpoints || tab === 'extras'
        ? 'Your pictures appear here'
        : 'No checkpoint yet. Put a .safetensors file into models/Stable-diffusion; it appears above by itself.';
    };

    const summary = task => {
      if (!task) return '';
      const time = task.seconds == null ? '' : ` in ${webui.progress.clock(task.seconds)}`;
      if (task.state === 'interrupted') return task.pictures ? `Interrupted · ${plural(task.pictures, 'picture')}` : 'Interrupted';
      return task.state === 'failed' ? 'Failed' : plural(task.pictures, 'picture') + time;
    };

    const what = (state, task) => {
      if (state.lost) return 'No connection to the server – the picture goes on without this page';
      if (task.state === 'queued' && task.position > 0) return `Waiting: ${plural(task.position, 'task')} before this one`;
      if (!task.step && state.engine === 'starting') return 'Starting the engine…';
      if (!task.step && task.status) return task.status;
      const parts = task.step ? [`step ${task.step} of ${task.steps}`] : [];
      if (task.batches > 1) parts.push(`${task.batch_size > 1 ? 'batch' : 'image'} ${task.batch + 1} of ${task.batches}`);
      return parts.join(' · ') || 'Preparing…';
    };

    // What went wrong stays until the next task has ended; comments belong to the task whose pictures one sees.
    const showMessages = (running, ended) => {
      const error = part('.error'), comments = part('.comments');
      error.textContent = refusal || (ended && ended.error) || '';
      error.hidden = !error.textContent;
      const notes = running && running.comments.length ? running.comments : ended ? ended.comments : [];
      comments.hidden = !notes.length;
      comments.replaceChildren(...notes.map(note => webui.make('li', note.startsWith('Error: ') ? 'wrong' : '', note)));
    };

    const showPicture = running => {
      const frame = part('.frame'), link = part('.picture'), image = link.querySelector('img');
      const previewed = running && running.preview && chosen < 0;
      const now = previewed ? null : picture();
      const source = previewed ? `internal/preview/${encodeURIComponent(running.id)}?rev=${running.preview}` : now ? now.url : '';
      frame.dataset.preview = String(!!previewed);
      frame.dataset.old = String(!!(running && now && running.id !== shown));
      link.hidden = !source;
      if (source && image.getAttribute('src') !== source) image.src = source;
      image.alt = previewed ? 'Preview' : now ? now.name : '';
      if (now) link.href = now.url; else link.removeAttribute('href');
      part('.empty').hidden = !!source || !!running;
      showDetails(picture());
      for (const watcher of watchers) watcher(tab, { task: shown, pictures, index: pictures.indexOf(picture()) });
    };

    const showDetails = now => {
      part('.tools').hidden = part('.infotext').hidden = !now;
      if (!now) return;
      const download = part('.download');
      download.href = now.url;
      download.download = now.name;
      if (part('.upscale')) part('.upscale').hidden = now.grid || now.beside;
      part('.file').textContent = now.name;
      webui.infotext(part('.infotext'), now.infotext);
      for (const thumb of part('.thumbs').children) {
        const current = Number(thumb.dataset.index) === pictures.indexOf(now);
        thumb.setAttribute('aria-pressed', String(current));
        thumb.tabIndex = current ? 0 : -1;
      }
    };

    const showThumbs = () => {
      const row = part('.thumbs');
      row.hidden = pictures.length < 2;
      row.replaceChildren(...pictures.map((one, index) => {
        const button = webui.make('button', 'thumb'), image = document.createElement('img');
        button.type = 'button';
        button.dataset.index = index;
        button.dataset.grid = one.grid;
        button.setAttribute('aria-label', one.grid ? 'Grid of all pictures' : `Picture ${index + 1}`);
        image.src = one.url;
        image.alt = '';
        image.loading = 'lazy';
        button.append(image);
        button.addEventListener('click', () => choose(index));
        return button;
      }));
    };

    // A second click on the chosen picture goes back to the one that is being drawn.
    const choose = index => {
      const running = webui.progress.active(tab);
      chosen = index === chosen && running ? -1 : index;
      showPicture(running);
    };

    const arrows = event => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.altKey || event.ctrlKey) return;
      event.preventDefault();
      const from = chosen < 0 ? newest() : chosen;
      choose((from + step + pictures.length) % pictures.length);
      part('.thumbs').children[chosen].focus();
    };

    const buttons = running => {
      for (const id of [`${tab}_interrupt`, `${tab}_skip`]) {
        const button = document.getElementById(id);
        if (button) button.disabled = !running;
      }
    };

    const announce = (running, ended) => {
      const now = running ? 'Drawing' : ended ? { done: 'Done', failed: 'Failed', interrupted: 'Interrupted' }[ended.state] : '';
      if (now !== announced) part('.announce').textContent = announced = now;
    };

    const copy = async () => {
      const button = part('.copy'), before = button.textContent;
      const written = navigator.clipboard ? navigator.clipboard.writeText(picture().infotext) : Promise.reject(); // only over HTTPS or on localhost
      const done = await written.then(() => 'Copied', () => (getSelection().selectAllChildren(part('.infotext')), 'Selected'));
      button.textContent = done;
      setTimeout(() => { button.textContent = before; }, 1500);
    };

    const sent = text => {
      refusal = text || '';
      webui.progress.again();
      const frame = part('.frame'), box = frame.getBoundingClientRect();
      if (innerWidth <= 800 && (box.bottom < 100 || box.top > innerHeight - 200)) frame.scrollIntoView({ block: 'center', behavior: 'smooth' }); // a phone
    };

    // ♻️: the seed of the picture that is shown; without one the box keeps its number.
    const value = (name, now) => {
      const values = picture() ? picture().values : {};
      return name in values ? values[name] : now;
    };

    start();
    const note = text => { refusal = text; webui.progress.again(); };

    const all = () => ({ task: shown, pictures, index: pictures.indexOf(picture()) });

    return { sent, value, picture, note, all, drop, choose: index => { chosen = index; showPicture(webui.progress.active(tab)); } };
  };

  return {
    attach: (element, tab) => { tabs[tab] = make(element, tab); },
    sent(tab, refusal) { tabs[tab].sent(refusal); webui.forever.answered(tab, refusal); },
    value: (tab, name, now) => tabs[tab].value(name, now),
    note: (tab, text) => tabs[tab].note(text), // a sentence in the place of errors; "" takes it away
    picture: tab => tabs[tab] && tabs[tab].picture(),
    all: tab => tabs[tab].all(), // { task, pictures, index of the one that is shown }
    choose: (tab, index) => tabs[tab].choose(index),
    watch: watcher => { watchers.push(watcher); }, // called as (tab, { task, pictures, index }) whenever what is shown may have changed
    drop: tab => { tabs[tab].drop(); webui.progress.again(); },
  };
})();
