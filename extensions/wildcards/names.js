// Names of wildcards after "__" while one types.
webui.complete.source(
  head => {
    const parts = head.split('\n').pop().split('__'), text = parts.at(-1);
    return parts.length % 2 === 0 && /^[^\s,(){}|<>]*$/.test(text) ? { from: head.length - text.length - 2, text } : null; // after an even number of them the last one ended a name
  },
  text => webui.getJSON(`wildcards-page/names?${new URLSearchParams({ search: text })}`).then(names => names.map(name => ({ what: name, of: 'wildcard', text: `__${name}__` }))),
);
