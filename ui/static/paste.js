// Parameters of a picture → the fields of a tab: the ↙ button, a picture that is dropped or pasted onto a prompt; and 🗑.
webui.paste = (() => {
  const say = (tab, text) => webui.gallery.note(tab, text);

  const fill = (tab, found) => {
    if ('width' in found.values || 'height' in found.values) webui.size.touch();
    webui.form.fill(tab, found.values);
    say(tab, '');
  };

  // Raises nothing: what is wrong is told under the picture.
  const text = async (tab, infotext) => {
    try {
      fill(tab, await webui.send('POST', 'internal/infotext', { text: infotext }));
    } catch (error) {
      say(tab, error.message);
    }
  };

  const file = async (tab, blob) => {
    try {
      const found = await webui.send('POST', 'internal/png-info', blob);
      if (!found.infotext) return say(tab, 'This picture carries no parameters.');
      fill(tab, found);
    } catch (error) {
      say(tab, error.message);
    }
  };

  // With an empty prompt: the last picture's, as the server keeps them, else as this browser does.
  const pressed = async tab => {
    const typed = webui.box(tab, 'prompt').value.trim();
    const kept = typed ? null : await webui.getJSON('internal/last-parameters').catch(() => null);
    const last = kept?.infotext || webui.gallery.picture(tab)?.infotext || localStorage.getItem('webui-last-parameters') || '';
    if (typed || last) text(tab, typed || last);
    else say(tab, 'There is no picture yet whose parameters could be read.');
  };

  // ---- pictures onto a prompt box

  const target = event => event.target.closest?.('#txt2img_prompt, #txt2img_neg_prompt, #img2img_prompt, #img2img_neg_prompt')?.id.split('_')[0];
  const picture = data => Array.from(data?.files || []).find(one => one.type.startsWith('image/'));

  document.addEventListener('paste', event => {
    const tab = target(event), found = tab && picture(event.clipboardData);
    if (!found) return;
    event.preventDefault();
    file(tab, found);
  }, true);

  document.addEventListener('dragover', event => {
    if (target(event) && event.dataTransfer.types.includes('Files')) event.preventDefault();
  }, true);

  document.addEventListener('drop', event => {
    const tab = target(event), found = tab && picture(event.dataTransfer);
    if (!found) return;
    event.preventDefault();
    event.stopPropagation();
    file(tab, found);
  }, true);

  return { pressed, text, file };
})();

webui.clear = {
  pressed(tab) {
    if (window.confirm('Delete prompt?')) webui.form.fill(tab, { prompt: '', negative_prompt: '' });
  },
};
