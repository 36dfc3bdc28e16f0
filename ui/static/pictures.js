// The buttons below a picture: save it to log/images, take all of the task home, enlarge it (✨), delete it.
webui.pictureTools = (() => {
  const asked = tab => {
    const { task, pictures, index } = webui.gallery.all(tab);
    return { task, index, name: pictures[index].name };
  };

  const tell = async (what, tab) => {
    try {
      const found = await webui.send('POST', `internal/picture/${what}`, asked(tab));
      webui.gallery.note(tab, '');
      return found;
    } catch (error) {
      webui.gallery.note(tab, error.message);
      return null;
    }
  };

  // A promise of the sentence for the person.
  const save = async tab => {
    const found = await tell('save', tab);
    return found ? `Saved: ${found.saved}` : 'Not saved';
  };

  const briefly = (button, text) => {
    const before = button.dataset.text || button.textContent;
    button.dataset.text = before;
    button.textContent = text;
    setTimeout(() => { button.textContent = before; }, 1500);
  };

  const attach = (root, tab) => {
    const part = name => root.querySelector(`.tools .${name}`);

    part('save').addEventListener('click', async () => {
      const told = await save(tab);
      part('save').title = told;
      briefly(part('save'), told.split(':')[0]);
    });
    part('upscale')?.addEventListener('click', () => webui.hires.upscale(tab, JSON.stringify(asked(tab))));
    part('delete').addEventListener('click', async () => {
      if (window.confirm(`Delete ${asked(tab).name}? It cannot be brought back.`) && await tell('delete', tab)) webui.gallery.drop(tab);
    });
    part('zip').addEventListener('click', () => {
      const { task, pictures } = webui.gallery.all(tab), name = `${pictures[0].name.replace(/\.\w+$/, '')}.zip`;
      part('zip').href = `internal/zip/${encodeURIComponent(task)}/${encodeURIComponent(name)}`;
      part('zip').download = name;
    }, true);
  };

  return { attach, save };
})();
