// Folders of a panel, as buttons or as a tree; a click shows what is in one, a second click shows all again.
webui.folders = (() => {
  const BUTTONS = 24;
  const opened = new Set();

  const asTree = () => localStorage.getItem('webui-cards-tree') === '1';

  // Every folder with the number of files in it and below.
  const counted = folders => {
    const counts = new Map();
    for (const [folder, number] of Object.entries(folders)) {
      const parts = folder.split('/');
      for (let depth = 1; folder && depth <= parts.length; depth++) {
        const path = parts.slice(0, depth).join('/');
        counts.set(path, (counts.get(path) || 0) + number);
      }
    }
    return new Map([...counts].sort(([a], [b]) => a.localeCompare(b)));
  };

  const show = (panel, pick) => {
    const counts = counted(panel.answer?.folders || {}), tree = asTree() && counts.size > 0;
    panel.part('.tree').setAttribute('aria-pressed', String(asTree()));
    panel.part('.tree').hidden = !counts.size;
    panel.part('.folders').hidden = !tree;
    panel.part('.chips-of-folders').hidden = tree || !counts.size;
    if (tree) branches(panel, counts, pick); else buttons(panel, counts, pick);
  };

  const buttons = (panel, counts, pick) => {
    const row = panel.part('.chips-of-folders'), top = [...counts].filter(([path]) => !path.includes('/') || panel.query.folder.startsWith(path) || path.startsWith(`${panel.query.folder}/`) && panel.query.folder);
    row.replaceChildren(...top.slice(0, BUTTONS).map(([path, number]) => {
      const button = webui.make('button', 'chip', `${path}/ `);
      button.type = 'button';
      button.append(webui.make('b', '', number.toLocaleString('en')));
      button.setAttribute('aria-pressed', String(panel.query.folder === path));
      button.addEventListener('click', () => pick(panel, path));
      return button;
    }));
    if (top.length > BUTTONS) row.append(webui.make('span', 'caption', `and ${top.length - BUTTONS} more – see the tree`));
  };

  const branches = (panel, counts, pick) => {
    const box = panel.part('.folders'), paths = [...counts.keys()];
    const visible = paths.filter(path => path.split('/').slice(0, -1).every((_, depth, parts) => opened.has(parts.slice(0, depth + 1).join('/')) || panel.query.folder.startsWith(`${parts.slice(0, depth + 1).join('/')}/`)));
    box.replaceChildren(...visible.slice(0, 60).map(path => {
      const depth = path.split('/').length - 1, button = webui.make('button', 'branch'), children = paths.some(other => other.startsWith(`${path}/`));
      button.type = 'button';
      button.setAttribute('role', 'treeitem');
      button.setAttribute('aria-level', depth + 1);
      button.setAttribute('aria-selected', String(panel.query.folder === path));
      if (children) button.setAttribute('aria-expanded', String(opened.has(path)));
      button.style.paddingLeft = `${6 + depth * 12}px`;
      button.append(webui.make('span', 'leaf', path.split('/').pop()), webui.make('b', '', counts.get(path).toLocaleString('en')));
      button.addEventListener('click', () => {
        if (children && !(opened.has(path) && panel.query.folder !== path)) { if (opened.has(path)) opened.delete(path); else opened.add(path); }
        pick(panel, path);
      });
      return button;
    }));
  };

  return { show };
})();
