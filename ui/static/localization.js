// The page in another language (the setting "localization"): what is written on it now and later, by a file in A1111's form. Words go in as text only.
webui.localization = (() => {
  // What a person wrote, and names of files, stay as they are.
  const LEFT = 'textarea, script, style, .infotext, .message, .file, .card, .thumbs, .sliders, .token, .about, .past-facts, .shot, [role=listbox], .job .prompt';
  const UNTOUCHED = '.card, .thumbs, .sliders, .shot';
  const ATTRIBUTES = ['placeholder', 'title', 'aria-label'];
  const originals = new WeakMap(); // text node → { before, after }
  let words = null;

  const translated = text => {
    const bare = text.trim(), found = words[bare];
    return found && found !== bare ? text.replace(bare, () => found) : null;
  };

  const text = node => {
    if (originals.get(node)?.after === node.data || node.parentElement?.closest(LEFT)) return;
    const before = node.data, after = translated(before);
    if (after === null) return;
    originals.set(node, { before, after });
    node.data = after;
  };

  const attribute = (element, name) => {
    const before = element.getAttribute(name), after = before && translated(before);
    if (!after || element.closest(UNTOUCHED)) return;
    const known = originals.get(element) || originals.set(element, {}).get(element);
    if (known[name] === before) return; // what was written here: another word's key may be called the same
    known[name] = after;
    element.setAttribute(name, after);
  };

  const attributes = element => { for (const name of ATTRIBUTES) if (element.hasAttribute(name)) attribute(element, name); };

  const walk = root => {
    if (root.nodeType === Node.TEXT_NODE) return text(root);
    if (root.nodeType !== Node.ELEMENT_NODE) return;
    attributes(root);
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    while (walker.nextNode()) {
      if (walker.currentNode.nodeType === Node.TEXT_NODE) text(walker.currentNode); else attributes(walker.currentNode);
    }
  };

  const begin = found => {
    if (!Object.keys(found).length) return;
    words = Object.assign(Object.create(null), found);
    walk(document.body);
    new MutationObserver(changes => {
      for (const change of changes) {
        if (change.type === 'characterData') text(change.target);
        else if (change.type === 'attributes') attribute(change.target, change.attributeName);
        else for (const node of change.addedNodes) walk(node);
      }
    }).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ATTRIBUTES });
  };

  // The text of an element as the program wrote it, whatever is read there now.
  const original = element => {
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    let found = '';
    while (walker.nextNode()) found += originals.get(walker.currentNode)?.before ?? walker.currentNode.data;
    return found.trim();
  };

  webui.asked.then(found => begin(found.words), () => {});
  return { original };
})();
