// The page's namespace, its id, and small tools that the other files use. Elements are looked up late: Gradio makes and remakes them.
window.webui = (() => {
  const hex = bytes => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');

  // One id per browser tab; it survives a reload. A duplicated tab gets a copy from the browser and shows the same tasks.
  const client = (() => {
    const stored = sessionStorage.getItem('webui-client');
    if (/^[0-9a-f]{32}$/.test(stored || '')) return stored;
    const fresh = hex(crypto.getRandomValues(new Uint8Array(16)));
    sessionStorage.setItem('webui-client', fresh);
    return fresh;
  })();

  const find = selector => document.querySelector(selector);

  // A text element; the only way in which names, prompts and messages get onto the page.
  const make = (tag, className, text = '') => {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    return element;
  };

  // Writes into a Gradio text box as if it had been typed.
  const write = (box, text) => {
    box.value = text;
    box.dispatchEvent(new Event('input', { bubbles: true }));
  };

  const getJSON = async url => {
    const answer = await fetch(url, { headers: { Accept: 'application/json' } });
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    return answer.json();
  };

  const postJSON = (url, body) =>
    fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });

  // Width and height follow the checkpoint until the person has touched them.
  const size = { touched: false, touch() { size.touched = true; } };

  return { client, find, make, write, getJSON, postJSON, size };
})();
