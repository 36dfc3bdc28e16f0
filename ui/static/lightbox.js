// A picture on the whole screen: wheel, pinch or double click zoom, drag moves, ←/→ go on, S saves, Esc closes.
webui.lightbox = (() => {
  const LARGEST = 16;
  let dialog = null, image = null, tab = '', scale = 1, x = 0, y = 0, moved = false;
  const fingers = new Map(); // by pointer id: where it is

  const build = () => {
    dialog = webui.make('dialog', 'lightbox');
    dialog.setAttribute('aria-label', 'Picture');
    image = Object.assign(document.createElement('img'), { draggable: false, alt: '' });
    dialog.append(image, webui.make('p', 'caption'), tool('previous', '‹', 'Previous picture', () => go(-1)), tool('next', '›', 'Next picture', () => go(1)),
      tool('close', '×', 'Close (Esc)', () => dialog.close()));
    dialog.addEventListener('keydown', keys);
    dialog.addEventListener('wheel', event => { event.preventDefault(); zoom(Math.exp(-event.deltaY / 300), event.clientX, event.clientY); }, { passive: false });
    dialog.addEventListener('dblclick', event => (scale > 1 ? reset() : zoom(3, event.clientX, event.clientY)));
    dialog.addEventListener('pointerdown', down);
    dialog.addEventListener('pointermove', move);
    for (const end of ['pointerup', 'pointercancel']) dialog.addEventListener(end, event => fingers.delete(event.pointerId));
    dialog.addEventListener('click', event => { if (event.target === dialog && !moved) dialog.close(); });
    (webui.find('.gradio-container') || document.body).append(dialog);
  };

  const tool = (name, text, label, press) => {
    const button = webui.make('button', name, text);
    button.type = 'button';
    button.setAttribute('aria-label', label);
    button.addEventListener('click', press);
    return button;
  };

  const show = (afresh = true) => {
    const { pictures, index } = webui.gallery.all(tab), now = pictures[index];
    if (!now) return dialog.close();
    if (afresh) image.src = now.url;
    image.alt = now.name;
    dialog.querySelector('.caption').textContent = pictures.length > 1 ? `${index + 1} / ${pictures.length} · ${now.name}` : now.name;
    for (const name of ['.previous', '.next']) dialog.querySelector(name).hidden = pictures.length < 2;
    if (afresh) reset();
  };

  const go = step => {
    const { pictures, index } = webui.gallery.all(tab);
    webui.gallery.choose(tab, (index + step + pictures.length) % pictures.length);
    show();
  };

  const keys = event => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) go(step);
    else if (event.key === '+' || event.key === '-') zoom(event.key === '+' ? 1.5 : 1 / 1.5, innerWidth / 2, innerHeight / 2);
    else if (event.key === '0') reset();
    else if (event.key === 's' && !event.ctrlKey && !event.metaKey) save();
    else return;
    event.preventDefault();
  };

  const save = async () => {
    const caption = dialog.querySelector('.caption'), before = caption.textContent;
    caption.textContent = await webui.pictureTools.save(tab);
    setTimeout(() => { if (dialog.open) show(false); }, 1500);

  };

  // ---- where the picture is

  const reset = () => { scale = 1; x = y = 0; paint(); };

  const paint = () => {
    image.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    dialog.dataset.zoomed = String(scale > 1);
  };

  // What is under (atX, atY) stays there.
  const zoom = (factor, atX, atY) => {
    const next = Math.min(LARGEST, Math.max(1, scale * factor)), ratio = next / scale;
    x = (atX - innerWidth / 2) * (1 - ratio) + x * ratio;
    y = (atY - innerHeight / 2) * (1 - ratio) + y * ratio;
    scale = next;
    if (scale === 1) x = y = 0;
    paint();
  };

  const down = event => {
    if (event.target.closest('button')) return;
    moved = false;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    dialog.setPointerCapture(event.pointerId);
  };

  const move = event => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, now);
    if (Math.hypot(now.x - before.x, now.y - before.y) > 2) moved = true;
    if (other) {
      const apart = place => Math.max(1, Math.hypot(place.x - other.x, place.y - other.y));
      zoom(apart(now) / apart(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else if (scale > 1) {
      x += now.x - before.x;
      y += now.y - before.y;
      paint();
    }
  };

  return {
    // A click on the picture in the gallery; with Ctrl, Shift or the middle button it is a link as usual.
    clicked(event, name) {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const link = event.currentTarget;
      if (!link.hasAttribute('href')) return; // a preview
      tab = name;
      if (!dialog) build();
      dialog.showModal();
      show();
      dialog.addEventListener('close', () => link.focus(), { once: true });
    },
  };
})();
