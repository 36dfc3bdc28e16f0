// What JavaScript of extensions made for A1111 expects: its global functions, over this page.
(() => {
  const lists = { update: [], after: [], loaded: [], tab: [], options: [] };
  const call = (list, ...given) => {
    for (const one of list) {
      try { one(...given); } catch (error) { console.error('A script of an extension made for A1111 failed', error); }
    }
  };
  const register = list => callback => { list.push(callback); };

  window.gradioApp = () => document;
  window.opts = {};
  window.localization = window.localization || {};
  window.getTranslation = text => window.localization[text];
  window.onUiUpdate = register(lists.update);
  window.onAfterUiUpdate = register(lists.after);
  window.onUiTabChange = register(lists.tab);
  window.onOptionsChanged = register(lists.options);

  let loaded = false;
  window.onUiLoaded = callback => { if (loaded) call([callback]); else lists.loaded.push(callback); };

  const contents = () => [...document.querySelectorAll('[role="tabpanel"][id^="tab_"]')];
  const visible = element => element.getClientRects().length > 0;
  window.get_uiCurrentTabContent = () => contents().find(visible) || null;
  window.get_uiCurrentTab = () => document.querySelector('#tabs [role="tab"][aria-selected="true"]');

  window.updateInput = target => {
    const event = new Event('input', { bubbles: true });
    Object.defineProperty(event, 'target', { value: target });
    target.dispatchEvent(event);
  };

  window.randomId = () => `task(${Math.random().toString(36).slice(2, 7)}${Math.random().toString(36).slice(2, 7)}${Math.random().toString(36).slice(2, 7)})`;
  window.all_gallery_buttons = () => [...document.querySelectorAll('[id$="_gallery"] .thumbnail-item, [id$="_gallery"] .thumb')].filter(visible);
  window.selected_gallery_button = () => window.all_gallery_buttons().find(button => button.classList.contains('selected') || button.getAttribute('aria-selected') === 'true') || null;
  window.selected_gallery_index = () => window.all_gallery_buttons().indexOf(window.selected_gallery_button());
  window.create_submit_args = given => Array.from(given);
  window.inputAccordionChecked = (id, checked) => {
    const box = document.querySelector(`#${CSS.escape(id)} input[type="checkbox"]`);
    if (box && box.checked !== checked) box.click();
  };

  const open = name => document.querySelector(`#tabs [role="tab"][aria-controls$="${name}"], #tab_${name}-button`)?.click();
  for (const name of ['txt2img', 'img2img', 'extras']) window[`switch_to_${name}`] = (...given) => { open(name); return given; };

  let quiet = 0;
  let current = null;
  // Gradio marks the button of a tab before it shows what is in it.
  const look = () => {
    const tab = window.get_uiCurrentTab();
    if (!tab || tab === current) return;
    if (!window.get_uiCurrentTabContent()) {
      requestAnimationFrame(look);
      return;
    }
    current = tab;
    call(lists.tab);
  };
  const changed = records => {
    call(lists.update, records);
    clearTimeout(quiet);
    quiet = setTimeout(() => call(lists.after), 200);
    look();
    if (!loaded && ready && document.querySelector('#txt2img_prompt textarea')) {
      loaded = true;
      call(lists.loaded);
    }
  };

  let ready = false;
  window.webui.getJSON('internal/settings').then(
    found => { window.opts = Object.fromEntries(found.settings.map(row => [row.key, row.value])); },
    () => {},
  ).then(() => {
    ready = true;
    changed([]);
    call(lists.options);
  });
  const watch = () => {
    new MutationObserver(changed).observe(document.body, { childList: true, subtree: true });
    changed([]);
  };
  if (document.body) watch(); else document.addEventListener('DOMContentLoaded', watch);
})();
