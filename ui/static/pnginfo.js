// PNG Info: the file goes to the server once, its parameters come back; the buttons send them to a tab.
webui.pnginfo = (() => {
  let root = null, file = null, infotext = '', address = '';

  const part = selector => root.querySelector(selector);

  const attach = element => {
    root = element;
    const drop = part('.drop'), input = part('input');
    input.addEventListener('change', () => show(input.files[0]));
    for (const kind of ['dragenter', 'dragover']) drop.addEventListener(kind, () => { drop.dataset.over = 'true'; });
    for (const kind of ['dragleave', 'drop']) drop.addEventListener(kind, () => { drop.dataset.over = 'false'; });
    document.addEventListener('paste', event => {
      const found = Array.from(event.clipboardData?.files || []).find(one => one.type.startsWith('image/'));
      if (found && root.getClientRects().length && drop.getClientRects().length) show(found);
    });
  };

  const show = async picture => {
    if (!picture) return;
    file = picture;
    URL.revokeObjectURL(address);
    address = URL.createObjectURL(picture);
    const image = part('img');
    image.src = address;
    image.alt = picture.name;
    image.hidden = false;
    part('.hint').hidden = true;
    part('input').value = '';
    tell('');
    infotext = '';
    try {
      infotext = (await webui.send('POST', 'internal/png-info', picture)).infotext;
      if (!infotext) tell('This picture carries no parameters.');
    } catch (error) {
      tell(error.message);
    }
    webui.infotext(part('.infotext'), infotext);
    part('.infotext').hidden = !infotext;
    part('.sends').hidden = false;
    const source = { infotext: () => infotext, file: async () => file };
    part('.sends').replaceChildren(...webui.sends.buttons(source), ...(infotext ? [webui.compare.button(source)] : []));
  };

  const tell = text => {
    part('.error').textContent = text;
    part('.error').hidden = !text;
  };

  return { attach };
})();
