// Parts of the tab LoRA duel: the form that starts one, the list of earlier ones, and a place of the ranking. Names go in as text.
window.webuiDuelParts = (() => {
  const MOST = 40; // LoRAs to choose from at once; the rest by search

  const said = text => { const line = webui.make('p', 'message error', text); line.setAttribute('role', 'alert'); line.hidden = !text; return line; };
  const tell = (line, text) => { line.textContent = text; line.hidden = !text; };
  const plural = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;

  const check = (label, on, changed) => {
    const holder = webui.make('label', 'duel-check'), box = document.createElement('input');
    Object.assign(box, { type: 'checkbox', checked: on });
    box.addEventListener('change', () => changed(box.checked));
    holder.append(box, ` ${label}`);
    return holder;
  };

  const input = (label, value, more) => Object.assign(document.createElement('input'), { className: 'webui-input', type: 'text', value, autocomplete: 'off', spellcheck: false, ariaLabel: label, ...more });

  // begin(asked) → a promise; it fails with a sentence.
  const form = begin => {
    const kept = { weights: '0.4, 0.7, 1', without: true, ...webui.store.read('webui-duel') }, root = webui.make('form', 'duel-form');
    const list = webui.make('div', 'chips duel-loras'), told = webui.make('p', 'duel-count'), problem = said(''), prompt = webui.make('p', 'duel-prompt');
    const search = input('Search Loras', '', { type: 'search', placeholder: 'Search Loras…' }), weights = input('Weights', kept.weights, { inputMode: 'text' });
    const start = webui.make('button', 'webui-button primary', 'Start');
    let chosen = null, offered = [], round = 0;
    start.type = 'submit';
    list.setAttribute('role', 'group');
    list.setAttribute('aria-label', 'Loras');
    told.setAttribute('role', 'status');

    const asked = () => ({ loras: chosen.join('\n'), weights: weights.value, without: kept.without });
    const count = webui.later(250, async () => {
      webui.store.write('webui-duel', { ...webui.store.read('webui-duel'), weights: weights.value, without: kept.without });
      const mine = ++round, answer = chosen.length ? await webui.send('POST', 'lora-duel/count', asked()).catch(error => ({ problem: error.message })) : { problem: '' };
      if (mine !== round) return;
      start.disabled = !answer.pictures;
      told.textContent = answer.pictures ? `${plural(answer.pictures, 'picture')}, at most ${plural(answer.comparisons, 'comparison')}` : 'Choose one Lora, or several.';
      tell(problem, answer.problem);
    });
    const paint = () => {
      const others = offered.filter(name => !chosen.includes(name)).slice(0, MOST), had = list.contains(document.activeElement) && document.activeElement.textContent;
      list.replaceChildren(...[...chosen, ...others].map(name => {
        const button = webui.make('button', 'chip', name);
        button.type = 'button';
        button.setAttribute('aria-pressed', String(chosen.includes(name)));
        button.addEventListener('click', () => { chosen = chosen.includes(name) ? chosen.filter(one => one !== name) : [...chosen, name]; paint(); count(); });
        return button;
      }));
      if (had) [...list.children].find(button => button.textContent === had)?.focus();
    };
    const offer = webui.later(150, async () => {
      const query = new URLSearchParams({ search: search.value, sort: 'used', descending: true, count: MOST });
      const answer = await webui.getJSON(`internal/library/lora?${query}`).catch(() => null);
      if (answer) offered = answer.entries.map(entry => entry.tag || entry.stem);
      paint();
    });
    search.addEventListener('input', () => offer());
    search.addEventListener('keydown', event => { if (event.key === 'Enter') event.preventDefault(); });
    weights.addEventListener('input', () => count());
    root.addEventListener('submit', async event => {
      event.preventDefault();
      if (start.disabled) return;
      start.disabled = true;
      tell(problem, '');
      await begin(asked()).catch(error => tell(problem, error.message));
      start.disabled = false;
    });
    const row = webui.make('div', 'duel-row'), field = webui.field('Weights, as in X/Y/Z plot: 0.4, 0.7, 1 or 0.2-1 (+0.2)', weights);
    row.append(field, check('Without, too', kept.without, on => { kept.without = on; count(); }));
    const foot = webui.row([start, told]);
    root.append(webui.make('h2', '', 'Which LoRA, and how much of it?'),
      webui.make('p', 'duel-about', 'Each LoRA is drawn at each weight with the prompt, the settings and one seed of txt2img. You say of two pictures which is the better one, until there is a ranking.'),
      prompt, search, list, row, problem, foot);

    // What txt2img says by now; its LoRAs are chosen.
    const refresh = () => {
      const text = webui.prompt.text('txt2img'), tagged = [...new Set(webui.prompt.tags(text).map(tag => tag.name))];
      if (!chosen || !chosen.length) chosen = tagged;
      prompt.textContent = text.trim() || 'The prompt of txt2img is empty.';
      offer();
      count();
    };
    return { root, refresh };
  };

  const day = text => new Date(text).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });

  const earlier = (duels, open) => duels.map(duel => {
    const button = webui.make('button', 'duel-earlier'), names = webui.make('b', '', duel.loras.join(', '));
    const how = duel.missing ? `${plural(duel.missing, 'picture')} missing` : duel.left ? `${plural(duel.left, 'comparison')} left` : 'ranked';
    button.type = 'button';
    button.append(names, webui.make('span', '', `${plural(duel.pictures, 'picture')} · ${how} · ${day(duel.created)}`), webui.make('span', 'words', duel.prompt));
    button.addEventListener('click', () => open(duel.id));
    return button;
  });

  // ---- the ranking

  const address = file => file.split('/').map(encodeURIComponent).join('/');
  const library = async name => (await webui.getJSON(`internal/library/lora?${new URLSearchParams({ search: name.split('/').pop(), count: 200 })}`)).entries;

  const stars = (one, note) => {
    const row = webui.make('span', 'duel-stars');
    row.setAttribute('role', 'radiogroup');
    row.setAttribute('aria-label', `Rating of ${one.lora}`);
    const paint = rating => {
      row.replaceChildren(...[1, 2, 3, 4, 5].map(number => {
        const button = webui.make('button', '', number <= rating ? '★' : '☆');
        button.type = 'button';
        button.title = `Rate ${one.lora}: ${number} of 5`;
        button.setAttribute('role', 'radio');
        button.setAttribute('aria-checked', String(number === rating));
        button.setAttribute('aria-label', `${number} of 5`);
        button.addEventListener('click', () => note(async () => {
          await webui.send('PUT', `internal/library/lora/notes/${address(one.file)}`, { rating: number === rating ? 0 : number });
          paint(number === rating ? 0 : number);
          return number === rating ? `${one.lora} has no rating now` : `${one.lora} is rated ${number} of 5`;
        }));
        return button;
      }));
    };
    paint(0);
    webui.getJSON(`internal/library/lora/notes/${address(one.file)}`).then(notes => paint(notes.rating || 0), () => {});
    return row;
  };

  // note(act): act's sentence, or what went wrong, is shown.
  const actions = (duel, one, note) => {
    const weight = webui.prompt.round(one.weight), box = webui.make('div', 'duel-actions');
    const button = (text, act) => webui.button(text, () => note(act), 'small');
    box.append(
      stars(one, note),
      button(`Use ${weight} as preferred weight`, async () => {
        await webui.send('PUT', `internal/library/lora/notes/${address(one.file)}`, { 'preferred weight': one.weight });
        webui.sliders.forget();
        return `${one.lora} is put into prompts with weight ${weight} from now on`;
      }),
      button('Use as the card’s picture', async () => {
        await webui.send('POST', `lora-duel/${duel}/card/${one.number}`);
        webui.networks.refreshAll();
        return `The picture is on the card of ${one.lora} now`;
      }),
      button('Put into the prompt', async () => {
        const entry = (await library(one.lora).catch(() => [])).find(each => each.file === one.file);
        webui.prompt.weigh('txt2img', one.lora, one.weight, entry?.['activation text'] || '');
        return `The prompt of txt2img has ${one.lora} with weight ${weight}`;
      }),
    );
    return box;
  };

  return { form, earlier, actions, check, said, tell, plural };
})();
