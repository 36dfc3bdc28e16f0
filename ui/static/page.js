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

  // A POST, PUT or DELETE whose answer is JSON; an error carries the server's sentence.
  const send = async (method, url, body) => {
    const raw = body instanceof Blob;
    const headers = { 'Content-Type': raw ? 'application/octet-stream' : 'application/json' };
    const answer = await fetch(url, { method, headers, body: raw ? body : JSON.stringify(body || {}) });
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(typeof found.detail === 'string' ? found.detail : `${url}: ${answer.status}`);
    return found;
  };

  // ★★★☆☆
  const stars = number => '★'.repeat(number) + '☆'.repeat(5 - number);

  const box = (tab, name) => find(`#${tab}_${name === 'prompt' ? 'prompt' : 'neg_prompt'} textarea`);

  // The tab in view, as far as it has a Generate button: "txt2img", "img2img", "extras" or "".
  const tab = () => ['txt2img', 'img2img', 'extras'].find(name => find(`#${name}_generate`)?.getClientRects().length) || '';

  // What a person stored in this browser; {} where nothing can be stored.
  const store = {
    read: key => { try { return JSON.parse(localStorage.getItem(key)) || {}; } catch { return {}; } },
    write: (key, value) => { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* full, or forbidden: the page works without */ } },
  };

  // Calls `what` once its caller has been quiet for a while; apart for each first value (a tab).
  const later = (milliseconds, what) => {
    const timers = {};
    return (...values) => {
      clearTimeout(timers[values[0]]);
      timers[values[0]] = setTimeout(() => what(...values), milliseconds);
    };
  };

  const AS_IT_IS = { __type__: 'update' }; // Gradio's own word for a component that keeps its value

  // Width and height follow the checkpoint until the person has touched them.
  const size = {
    touched: store.read('webui-size').touched === true,
    touch(touched = true) { size.touched = touched; store.write('webui-size', { touched }); },
    // Values for `count` components, width and height by turns.
    fit: (native, count) => Array.from({ length: count }, (_, place) => (size.touched || !native ? AS_IT_IS : native[place % 2])),
  };

  const asked = getJSON('internal/page'); // what several files need as the page opens
  asked.catch(() => {});

  return { asked, client, find, make, write, getJSON, postJSON, send, stars, box, tab, store, later, size, AS_IT_IS };
})();
