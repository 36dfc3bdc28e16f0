// The drop-down "Script": the controls of the chosen one are seen.
webui.scripts = (() => {
  const groups = {}; // by tab: { title: id of its controls }

  const show = (tab, chosen) => {
    for (const [title, id] of Object.entries(groups[tab] || {})) {
      document.getElementById(id)?.classList.toggle('chosen', title === chosen);
    }
  };

  webui.form.watch((tab, values) => show(tab, values.script));

  const read = (file, asPicture) => new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => failed(reader.error);
    if (asPicture) reader.readAsDataURL(file); else reader.readAsText(file);
  });

  // A file goes into the box with this id: a picture as a data URL, another one as its text.
  const upload = (element, box, label, info) => {
    const input = element.querySelector('input'), shown = element.querySelector('img');
    element.querySelector('span').textContent = label;
    input.title = info;
    input.addEventListener('change', async () => {
      const file = input.files[0], area = document.querySelector(`#${box} textarea, #${box} input`);
      area.value = file ? await read(file, !!shown) : '';
      area.dispatchEvent(new Event('input', { bubbles: true }));
      if (shown) {
        shown.hidden = !file;
        if (file) shown.src = area.value;
      }
    });
  };

  return {
    upload,
    attach(tab, found) {
      groups[tab] = found;
      show(tab, webui.form.values(tab).script);
    },
  };
})();
