// Model files dropped onto the page go straight to the server's disk, one after the other, each with a bar; its card appears by itself.
(() => {
  const MODEL = /\.(safetensors|pt|ckpt|bin)$/i;
  const waiting = [];
  let going = false, box = null, hint = null;

  const files = event => [...(event.dataTransfer?.files || [])].filter(file => MODEL.test(file.name));
  const carries = event => [...(event.dataTransfer?.items || [])].some(item => item.kind === 'file' && !item.type.startsWith('image/'));

  // Which folder a file belongs to, by the names of its tensors; what cannot be told goes where the open tab says.
  const kindOf = async file => {
    const otherwise = webui.networks.kindShown() || 'lora';
    if (!/\.safetensors$/i.test(file.name)) return otherwise;
    try {
      const length = Number(new DataView(await file.slice(0, 8).arrayBuffer()).getBigUint64(0, true));
      const names = Object.keys(JSON.parse(await file.slice(8, 8 + Math.min(length, 64e6)).text())), has = pattern => names.some(name => pattern.test(name));
      if (has(/lora_|lora\.|hada_|lokr_|oft_|dora_scale|\.(diff|w_norm|on_input)$/)) return 'lora';
      if (has(/^(emb_params|clip_[lg]|string_to_param)/)) return 'embedding';
      if (has(/^model\.diffusion_model\./)) return 'checkpoint';
      if (has(/^(first_stage_model\.)?decoder\./)) return 'vae';
    } catch { /* the server says what is wrong with it */ }
    return otherwise;
  };

  const line = file => {
    if (!box) document.body.append((box = webui.make('div', 'uploads')));
    const element = webui.make('div', 'upload'), top = webui.make('div', 'top'), close = webui.make('button', '', '✕'), bar = document.createElement('progress');
    const said = webui.make('p', 'said', 'Waiting');
    said.setAttribute('role', 'status');
    close.type = 'button';
    close.setAttribute('aria-label', `Cancel or hide ${file.name}`);
    bar.max = 1;
    bar.value = 0;
    top.append(webui.make('span', 'file', file.name), close);
    element.append(top, said, bar);
    box.append(element);
    return { element, said, bar, close, state: (state, text) => { element.dataset.state = state; said.textContent = text; } };
  };

  const put = (url, file, shown) => new Promise(done => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    request.upload.addEventListener('progress', event => {
      shown.bar.value = event.loaded / event.total;
      shown.said.textContent = event.loaded < event.total ? `${Math.round((100 * event.loaded) / event.total)} %` : 'Looking at the file …';
    });
    request.addEventListener('load', () => done(request));
    request.addEventListener('error', () => done(null));
    request.addEventListener('abort', () => done('cancelled'));
    shown.close.onclick = () => request.abort();
    request.send(file);
  });
  const sentence = text => { try { const found = JSON.parse(text); return found.detail || found.errors || ''; } catch { return ''; } };

  const next = async () => {
    if (going || !waiting.length) return;
    going = true;
    const { file, shown } = waiting.shift(), kind = await kindOf(file);
    shown.state('going', '0 %');
    const request = await put(`internal/upload/${kind}/${encodeURIComponent(file.name)}`, file, shown);
    shown.close.onclick = () => shown.element.remove();
    if (request === 'cancelled') shown.element.remove();
    else if (request && request.status < 300) {
      shown.state('done', `It is in the ${kind === 'lora' ? 'Lora' : kind} list now.`);
      setTimeout(() => shown.element.remove(), 6000);
      webui.progress.kick();
    } else shown.state('failed', (request && String(sentence(request.responseText))) || (request ? `The server refused it (${request.status}).` : 'The connection to the server broke off.'));
    going = false;
    next();
  };

  const show = on => {
    if (!hint) {
      document.body.append((hint = webui.make('div', 'drop-here', 'Drop model files here')));
      hint.hidden = true;
    }
    hint.hidden = !on;
  };
  document.addEventListener('dragover', event => { if (carries(event)) { event.preventDefault(); show(true); } }, true);
  document.addEventListener('dragleave', event => { if (!event.relatedTarget) show(false); }, true);
  document.addEventListener('drop', event => {
    const found = files(event);
    if (hint) show(false);
    if (!found.length) return;
    event.preventDefault();
    event.stopPropagation();
    for (const file of found) {
      const shown = line(file), one = { file, shown };
      shown.close.onclick = () => { waiting.splice(waiting.indexOf(one), 1); shown.element.remove(); };
      waiting.push(one);
    }
    next();
  }, true);
})();
