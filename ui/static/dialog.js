// Parts of dialogs and forms that are not Gradio's.
webui.dialog = (title, parts) => {
  const dialog = webui.make('dialog', 'webui-dialog');
  dialog.setAttribute('aria-label', title);
  dialog.append(webui.make('h2', '', title), ...parts);
  dialog.addEventListener('click', event => { if (event.target === dialog) dialog.close(); });
  (webui.find('.gradio-container') || document.body).append(dialog);
  return dialog;
};

webui.field = (label, control) => {
  const field = webui.make('label', 'webui-field');
  field.append(webui.make('span', 'caption', label), control);
  return field;
};

webui.row = parts => {
  const row = webui.make('div', 'webui-row');
  row.append(...parts);
  return row;
};

webui.button = (text, click, kind = '') => {
  const button = webui.make('button', `webui-button ${kind}`, text);
  button.type = 'button';
  button.addEventListener('click', click);
  return button;
};
