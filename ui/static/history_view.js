// One picture of History at full size, with what it says and what can be done with it.
webui.pastView = (dialog, { item, count, load, choose, removed, closed }) => {
  const part = name => dialog.querySelector(`.past-${name}`);
  const error = dialog.querySelector('.error'), infotext = dialog.querySelector('.infotext'), image = part('picture').querySelector('img');
  let index = -1, now = null, round = 0, leaving = false; // leaving: to another tab

  const open = async wanted => {
    if (wanted < 0 || wanted >= count()) return;
    const mine = ++round;
    if (!item(wanted)) await load(wanted);
    if (mine !== round || !item(wanted)) return;
    index = wanted;
    now = item(wanted);
    if (!dialog.open) { dialog.showModal(); dialog.focus(); }
    show();
    say(mine);
  };

  const show = () => {
    tell('');
    part('broken').hidden = true;
    part('picture').hidden = false;
    part('picture').href = image.src = webui.pastAddress('picture', now);
    image.alt = now.prompt || now.file;
    part('file').textContent = now.file;
    part('download').href = webui.pastAddress('picture', now);
    part('download').download = now.file;
    part('before').disabled = index === 0;
    part('after').disabled = index >= count() - 1;
    webui.infotext(infotext, '');
    infotext.hidden = part('copy').hidden = part('loras').hidden = true;
    part('sends').replaceChildren();
    facts();
  };

  const facts = () => {
    const size = now.width ? `${now.width} × ${now.height}` : '', bytes = now.bytes > 1e6 ? `${(now.bytes / 1e6).toFixed(1)} MB` : `${Math.ceil(now.bytes / 1e3)} KB`;
    part('facts').textContent = [`${now.day} ${now.time}`, size, bytes, now.folder].filter(Boolean).join(' · ');
  };

  const say = async mine => {
    try {
      const told = await webui.getJSON(webui.pastAddress('about', now));
      if (mine !== round) return;
      now = { ...now, ...told };
      facts();
      webui.infotext(infotext, now.infotext);
      infotext.hidden = part('copy').hidden = !now.infotext;
      loras();
    } catch {
      if (mine === round) tell('What this picture says cannot be read.');
    }
    if (mine !== round) return;
    const one = now;
    const source = {
      infotext: () => one.infotext || '',
      file: async () => new File([await (await fetch(webui.pastAddress('picture', one))).blob()], one.file),
    };
    part('sends').replaceChildren(...webui.sends.buttons(source), ...(one.infotext ? [webui.compare.button(source)] : []));
  };

  const loras = () => {
    part('loras').hidden = !now.loras.length;
    part('loras').replaceChildren(webui.make('span', 'caption', 'Lora'), ...now.loras.map(name => {
      const button = webui.make('button', 'chip', name);
      button.type = 'button';
      button.title = [now.hashes[name], 'Show all pictures with this Lora'].filter(Boolean).join(' – ');
      button.addEventListener('click', () => { dialog.close(); choose(name); });
      return button;
    }));
  };

  const tell = text => { error.textContent = text; error.hidden = !text; };

  const remove = async () => {
    if (!window.confirm(`Delete ${now.file} from the disk?`)) return;
    try {
      await webui.send('DELETE', webui.pastAddress('picture', now));
      const at = index;
      await removed();
      if (count()) open(Math.min(at, count() - 1)); else dialog.close();
    } catch (problem) {
      tell(problem.message);
    }
  };

  const copy = async () => {
    const button = part('copy'), before = 'Copy parameters';
    const written = navigator.clipboard ? navigator.clipboard.writeText(now.infotext) : Promise.reject(); // only over HTTPS or on localhost
    button.textContent = await written.then(() => 'Copied', () => (getSelection().selectAllChildren(infotext), 'Selected'));
    setTimeout(() => { button.textContent = before; }, 1500);
  };

  // ---- keys, and a finger that wipes

  document.addEventListener('keydown', event => { // wherever the focus is: a button that can go no further loses it
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!dialog.open || !by || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    open(index + by);
  });
  let from = null;
  part('stage').addEventListener('touchstart', event => { from = event.touches.length === 1 ? event.touches[0].clientX : null; }, { passive: true });
  part('stage').addEventListener('touchend', event => {
    const by = from === null ? 0 : event.changedTouches[0].clientX - from;
    if (Math.abs(by) > 60) open(index + (by < 0 ? 1 : -1));
  });

  image.addEventListener('error', () => {
    part('picture').hidden = true;
    part('broken').hidden = false;
    part('broken').textContent = `${now.file} cannot be shown.`;
  });
  part('before').addEventListener('click', () => open(index - 1));
  part('after').addEventListener('click', () => open(index + 1));
  part('close').addEventListener('click', () => dialog.close());
  part('delete').addEventListener('click', remove);
  part('copy').addEventListener('click', copy);
  part('sends').addEventListener('click', event => { if (event.target.closest('button:not(.compare)')) { leaving = true; dialog.close(); } }, true);
  dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener('close', () => {
    round++;
    image.removeAttribute('src');
    if (!leaving) closed(index);
    leaving = false;
  });

  return { open };
};
