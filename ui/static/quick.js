// Settings in the bar on top (the setting "quicksettings_list"): each is written as it is changed.
webui.quick = (() => {
  const write = webui.later(400, async (key, value, wrong) => {
    const answer = await webui.postJSON('internal/settings', { values: { [key]: value } }).catch(() => null);
    const found = answer ? await answer.json().catch(() => ({})) : { detail: 'No connection to the server.' };
    wrong.textContent = found.errors?.[key] || (typeof found.detail === 'string' ? found.detail : '');
    if (!wrong.textContent) document.dispatchEvent(new CustomEvent('webui-settings'));
  });

  const field = setting => {
    const wrong = webui.make('p', 'wrong'), control = webui.settingControl(setting, setting.value, value => write(setting.key, value, wrong));
    const made = webui.field(setting.label, control);
    control.id = `quick_${setting.key}`;
    control.disabled = !!setting.frozen;
    made.title = [setting.info, setting.frozen && `Fixed by ${setting.frozen}`].filter(Boolean).join('; ');
    wrong.setAttribute('role', 'alert');
    made.append(wrong);
    return made;
  };

  const attach = async element => {
    const found = await webui.asked.catch(() => ({ quicksettings: [] }));
    const settings = found.quicksettings.filter(setting => setting.key !== 'sd_model_checkpoint');
    element.querySelector('.quick').replaceChildren(...settings.map(field));
    element.querySelector('.quick').hidden = !settings.length;
  };

  return { attach };
})();
