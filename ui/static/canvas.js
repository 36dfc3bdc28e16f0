// The picture that img2img starts from: dropped, pasted, sent from elsewhere; drawn over with colours (Sketch) or with a mask (Inpaint).
// Strokes are kept as points in the picture's own pixels and drawn anew; what is sent has the picture's size.
webui.canvas = (() => {
  const made = {}; // by tab
  const DRAWN = ['sketch', 'inpaint', 'inpaint_sketch'];
  const MASK = '#ffffff';

  const url = blob => new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error('This file cannot be read.'));
    reader.readAsDataURL(blob);
  });

  const picture = async address => {
    const image = new Image();
    image.src = address;
    await image.decode();
    return image;
  };

  const make = (element, tab, mayNameFolders) => {
    const root = element.querySelector('.sources'), part = name => root.querySelector(`.${name}`);
    const base = part('base'), layer = part('strokes');
    let mode = 'img2img', image = null, address = '', mask = '', batch = [], zoom = 1;
    const strokes = { sketch: [], inpaint: [], inpaint_sketch: [] };
    let stroke = null, batchKind = 'upload', moving = false;
    const folder = webui.batchFolder(part('batch-folder'));

    // ---- pictures

    const show = async blob => {
      try {
        address = await url(blob);
        image = await picture(address);
      } catch {
        webui.gallery.note(tab, 'This is no picture that can be read.');
        return;
      }
      webui.gallery.note(tab, '');
      for (const name of DRAWN) strokes[name] = [];
      for (const canvas of [base, layer]) {
        canvas.width = image.naturalWidth;
        canvas.height = image.naturalHeight;
      }
      base.getContext('2d').drawImage(image, 0, 0);
      zoom = 1;
      refresh();
    };

    const remove = () => { image = null; address = ''; refresh(); };

    const choose = name => {
      mode = name;
      refresh();
    };

    const refresh = () => {
      root.dataset.mode = mode;
      root.dataset.empty = String(!image);
      root.dataset.drawn = String(DRAWN.includes(mode));
      root.dataset.batch = batchKind;
      for (const button of part('batch-kinds').children) button.setAttribute('aria-pressed', String(button.dataset.batch === batchKind));
      for (const button of part('modes').children) button.setAttribute('aria-pressed', String(button.dataset.mode === mode));
      part('size-of').textContent = image ? `${image.naturalWidth} × ${image.naturalHeight}` : '';
      part('color').hidden = mode === 'inpaint';
      part('sheet').style.width = `${zoom * 100}%`;
      part('batch-drop').querySelector('.hint').textContent = batch.length
        ? `${batch.length} picture${batch.length === 1 ? '' : 's'} chosen` : 'Drop pictures here, or click to choose several: each is one task';
      redraw();
    };

    // ---- strokes

    const line = (context, one, color) => {
      context.strokeStyle = context.fillStyle = color;
      context.lineWidth = one.size;
      context.lineCap = context.lineJoin = 'round';
      context.beginPath();
      if (one.points.length === 1) {
        context.arc(...one.points[0], one.size / 2, 0, 2 * Math.PI);
        context.fill();
        return;
      }
      one.points.forEach((point, index) => (index ? context.lineTo(...point) : context.moveTo(...point)));
      context.stroke();
    };

    const redraw = () => {
      const context = layer.getContext('2d');
      context.clearRect(0, 0, layer.width, layer.height);
      for (const one of strokes[mode] || []) line(context, one, one.color);
    };

    const at = event => {
      const box = layer.getBoundingClientRect(), scale = layer.width / box.width;
      return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    };

    const brush = change => {
      const range = part('size').querySelector('input');
      if (change) range.value = Number(range.value) + change;
      return Number(range.value) * layer.width / Math.max(layer.getBoundingClientRect().width, 1); // as wide on the screen, whatever the picture's size
    };

    const press = event => {
      if (!image || !DRAWN.includes(mode) || event.button || moving) return;
      event.preventDefault();
      layer.setPointerCapture(event.pointerId);
      stroke = { color: mode === 'inpaint' ? MASK : part('color').value, size: brush(), points: [at(event)] };
      strokes[mode].push(stroke);
      redraw();
    };

    const move = event => {
      if (moving) part('stage').scrollBy(-event.movementX, -event.movementY);
      if (!stroke || moving) return;
      for (const one of event.getCoalescedEvents?.() || [event]) stroke.points.push(at(one));
      redraw();
    };

    const wheel = event => {
      if (!image || (!event.altKey && !event.ctrlKey)) return;
      event.preventDefault();
      if (event.ctrlKey) return void brush(event.deltaY < 0 ? 5 : -5);
      zoom = Math.min(Math.max(zoom * (event.deltaY < 0 ? 1.15 : 1 / 1.15), 1), 10);
      part('sheet').style.width = `${zoom * 100}%`;
    };

    // With F held the mouse moves the picture, as far as it is larger than its frame.
    const moveOn = on => { moving = on; root.dataset.moving = String(on); };

    const full = () => {
      root.dataset.full = String(root.dataset.full !== 'true');
      fit();
    };

    const fit = () => { zoom = 1; refresh(); };

    const KEYS = { KeyQ: () => brush(-5), KeyW: () => brush(5), KeyR: fit, KeyF: () => moveOn(true), KeyS: full }; // A1111's

    const undo = () => { if (strokes[mode]) strokes[mode].pop(); redraw(); };
    const clear = () => { if (strokes[mode]) strokes[mode] = []; redraw(); };

    // ---- what is sent

    const drawing = (background, paint) => {
      const canvas = document.createElement('canvas');
      canvas.width = base.width;
      canvas.height = base.height;
      const context = canvas.getContext('2d');
      background(context);
      paint(context);
      return canvas.toDataURL('image/png');
    };

    const painted = () => drawing(context => context.drawImage(image, 0, 0), context => strokes[mode].forEach(one => line(context, one, one.color)));

    const masked = () => drawing(context => { context.fillStyle = '#000000'; context.fillRect(0, 0, base.width, base.height); },
      context => strokes[mode].forEach(one => line(context, one, MASK)));

    const sent = async () => {
      if (mode === 'batch' && batchKind === 'folder') return { mode, folder: folder.read() };
      if (mode === 'batch') return { mode, images: await Promise.all(batch.map(url)), mask: null };
      if (!image) return { mode, images: [], mask: null };
      const drawn = strokes[mode] && strokes[mode].length;
      const colored = drawn && mode !== 'inpaint';
      const hidden = mode === 'inpaint_upload' ? mask || null : drawn && mode !== 'sketch' ? masked() : null;
      return { mode, images: [colored ? painted() : address], mask: hidden };
    };

    // ---- wiring

    const takes = (drop, many) => {
      const input = drop.querySelector('input[type=file]');
      input.addEventListener('change', () => { many(Array.from(input.files)); input.value = ''; });
      for (const kind of ['dragenter', 'dragover']) drop.addEventListener(kind, event => { event.preventDefault(); drop.dataset.over = 'true'; });
      drop.addEventListener('dragleave', () => { drop.dataset.over = 'false'; });
      drop.addEventListener('drop', event => {
        event.preventDefault();
        drop.dataset.over = 'false';
        const files = Array.from(event.dataTransfer.files).filter(one => one.type.startsWith('image/'));
        if (files.length) many(files);
      });
    };

    for (const button of part('modes').children) button.addEventListener('click', () => choose(button.dataset.mode));
    part('batch-kinds').hidden = !mayNameFolders;
    for (const button of part('batch-kinds').children) button.addEventListener('click', () => { batchKind = button.dataset.batch; refresh(); });
    takes(part('stage'), files => show(files[0]));
    takes(part('mask-drop'), async ([file]) => {
      mask = await url(file);
      part('mask').src = mask;
      part('mask').hidden = false;
      part('mask-drop').querySelector('.hint').hidden = true;
    });
    takes(part('batch-drop'), files => { batch = files; refresh(); });
    layer.addEventListener('pointerdown', press);
    layer.addEventListener('pointermove', move);
    for (const kind of ['pointerup', 'pointercancel']) layer.addEventListener(kind, () => { stroke = null; });
    part('stage').addEventListener('wheel', wheel, { passive: false });
    part('undo').addEventListener('click', undo);
    part('clear').addEventListener('click', clear);
    part('remove').addEventListener('click', remove);
    part('full').addEventListener('click', full);
    document.addEventListener('keydown', event => {
      if (!root.matches(':hover') || event.target.matches?.('textarea, input:not([type=range])')) return;
      if (event.key.toLowerCase() === 'z' && event.ctrlKey) undo();
      else if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.code]) return;
      else KEYS[event.code]();
      event.preventDefault();
    });
    document.addEventListener('keyup', event => { if (event.code === 'KeyF') moveOn(false); });
    document.addEventListener('paste', event => {
      const file = Array.from(event.clipboardData?.files || []).find(one => one.type.startsWith('image/'));
      if (file && root.getClientRects().length && !event.defaultPrevented) show(file);
    });
    refresh();
    return { show, choose, sent, size: () => image && [image.naturalWidth, image.naturalHeight] };
  };

  // A tab that has not been opened yet is not there: what is sent to it waits.
  const waiting = [];
  const when = what => (made.img2img ? what(made.img2img) : waiting.push(what));
  const take = mode => file => when(one => { one.choose(mode); one.show(file); });

  const places = [['→ img2img', 'img2img'], ['→ inpaint', 'inpaint']];
  for (const [name, mode] of places) webui.sends.receive({ name, tab: 'img2img', parameters: true, picture: take(mode) });

  return {
    attach(element, tab, mayNameFolders) {
      made[tab] = make(element, tab, mayNameFolders);
      for (const what of waiting.splice(0)) what(made[tab]);
    },
    sent: async tab => JSON.stringify(made[tab] ? await made[tab].sent() : {}),
    fit(tab) {
      const size = made[tab] && made[tab].size();
      if (!size) return;
      webui.size.touch();
      webui.form.fill(tab, { width: Math.max(64, Math.round(size[0] / 8) * 8), height: Math.max(64, Math.round(size[1] / 8) * 8) });
    },
  };
})();
