// The prompts of a tab as text: their boxes, the <lora:…> tags in them, what is switched off, and A1111's keys that change weights.
webui.prompt = (() => {
  const TAG = /<(lora|lyco):([^:>]+)((?::[^>]*)?)>/g;
  const OPTIONS = { attention: 0.1, extra: 0.05, delimiters: '.,\\/!?%^*;:{}=`~() \t\r\n', move: true, autocomplete: true, multiplier: 1, separator: ' ' };
  let options = OPTIONS, asked = 0, answer = null, negativeLast = false;

  // ---- boxes

  const boxes = tab => ({ prompt: webui.find(`#${tab}_prompt textarea`), negative: webui.find(`#${tab}_neg_prompt textarea`) });
  const tabOf = element => {
    const block = element instanceof HTMLTextAreaElement && element.closest('.prompt[id$=_prompt]');
    return block ? block.id.replace(/(_neg)?_prompt$/, '') : '';
  };
  const text = tab => (boxes(tab).prompt ? boxes(tab).prompt.value : '');

  const change = (tab, value, key = '') => webui.history.group(tab, key, () => webui.write(boxes(tab).prompt, value));

  // ---- tags

  const quoted = words => words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const round = number => String(Math.round(number * 1000) / 1000);
  const isNamed = argument => argument.split('=').length === 2;

  // Where in the arguments a weight stands: by name, else by position; -1 = nowhere.
  const place = (args, name, position) => {
    const named = args.findIndex(argument => argument.startsWith(`${name}=`) && isNamed(argument));
    if (named >= 0) return named;
    const positional = args.map((argument, index) => [argument, index]).filter(([argument]) => !isNamed(argument));
    return positional[position] ? positional[position][1] : -1;
  };
  const read = (args, at, otherwise) => {
    const number = at < 0 ? NaN : parseFloat(args[at].split('=').pop());
    return Number.isFinite(number) ? number : otherwise;
  };

  const parse = (whole, start, end, name, rest) => {
    const args = rest ? rest.slice(1).split(':') : [];
    const te = place(args, 'te', 0), unet = place(args, 'unet', 1), weight = read(args, te, 1);
    return { whole, start, end, name: name.trim(), args, weight, apart: unet >= 0, unet: read(args, unet, weight) };
  };
  const tags = value => [...value.matchAll(TAG)].map(match => parse(match[0], match.index, match.index + match[0].length, match[2], match[3]));
  const kindOf = tag => tag.whole.slice(1, tag.whole.indexOf(':'));
  const built = (tag, args) => `<${[kindOf(tag), tag.name, ...args].join(':')}>`;

  // The tag with another weight; every other argument stays as it is.
  const weighted = (tag, which, value) => {
    const args = [...tag.args], at = which === 'unet' ? place(args, 'unet', 1) : place(args, 'te', 0);
    if (at < 0) args.splice(which === 'unet' ? args.length : 0, 0, which === 'unet' ? `unet=${round(value)}` : round(value));
    else args[at] = isNamed(args[at]) ? `${args[at].split('=')[0]}=${round(value)}` : round(value);
    return built(tag, args);
  };
  // Text encoder and U-Net with a weight each, or with one for both.
  const apart = (tag, wanted) => {
    if (wanted) return weighted({ ...tag, args: tag.args.length ? tag.args : [round(tag.weight)] }, 'unet', tag.weight);
    const args = [...tag.args], at = place(args, 'unet', 1), dyn = place(args, 'dyn', 2);
    if (at >= 0 && !isNamed(args[at]) && dyn > at && !isNamed(args[dyn])) args[dyn] = `dyn=${args[dyn]}`;
    if (at >= 0) args.splice(at, 1);
    return built(tag, args);
  };

  const swap = (value, tag, replacement) => value.slice(0, tag.start) + replacement + value.slice(tag.end);
  // Without the tag, and without the blank that stood before it.
  const without = (value, tag) => (value.slice(0, tag.start).replace(/[ \t]$/, '') + value.slice(tag.end)).replace(/^[ \t]+/, '');

  // The prompt with a Lora at one weight for text encoder and U-Net: in its tag where it has one, else at the end, with these words.
  const weigh = (tab, lora, weight, words = '') => {
    const value = text(tab), stem = name => name.replace(/\.[^./]+$/, '').split('/').pop();
    const means = tag => [tag.name, webui.sliders.file(tag.name)?.replace(/\.[^./]+$/, '')].includes(lora) || (!lora.includes('/') && stem(tag.name) === lora) || tag.name === stem(lora);
    const found = tags(value).find(means);
    if (!found) return change(tab, added(added(value, `<lora:${lora}:${round(weight)}>`), holds(value, words) ? '' : words));
    const single = tags(apart(found, false))[0];
    return change(tab, swap(value, found, weighted(single, 'te', weight)));
  };

  // ---- what is switched off: tags that left the prompt and wait beside it

  const key = tab => `webui-off-${tab}`;
  const off = tab => {
    try { return JSON.parse(localStorage.getItem(key(tab))) || []; } catch { return []; }
  };
  const setOff = (tab, list) => {
    localStorage.setItem(key(tab), JSON.stringify(list));
    document.dispatchEvent(new CustomEvent('webui:off', { detail: { tab } }));
  };
  const switchOff = (tab, tag) => webui.history.group(tab, '', () => {
    const value = text(tab);
    setOff(tab, [...off(tab), { tag: tag.whole, before: value.slice(Math.max(0, tag.start - 40), tag.start).trimEnd(), at: tag.start }]);
    webui.write(boxes(tab).prompt, without(value, tag));
  });
  // Back to where it stood, if the words before it are still there; else to the end.
  const switchOn = (tab, index) => webui.history.group(tab, '', () => {
    const list = off(tab), one = list[index], value = text(tab);
    const found = one.before ? value.lastIndexOf(one.before, one.at) : -1;
    const at = found >= 0 ? found + one.before.length : one.before ? value.trimEnd().length : 0;
    const head = value.slice(0, at), tail = value.slice(at);
    setOff(tab, list.filter((_, other) => other !== index));
    webui.write(boxes(tab).prompt, `${head}${/\S$/.test(head) ? ' ' : ''}${one.tag}${/^[^\s,]/.test(tail) ? ' ' : ''}${tail}`);
  });

  // ---- words that a card puts in and takes out

  const holds = (value, words) => new RegExp(`(^|[\\s,(])${quoted(words)}(?=$|[\\s,:)])`).test(value);
  const added = (value, words) => (words ? [value.trimEnd(), words].filter(Boolean).join(value.trim() ? options.separator || ' ' : '') : value);
  const removed = (value, words) => (words ? value.replace(new RegExp(`(^|[\\s,]+)${quoted(words)}(?=$|[\\s,])`), '').replace(/^[\s,]+/, '') : value);

  // ---- A1111's keys

  const replace = (box, from, to, words, start, end) => {
    const tab = tabOf(box);
    webui.history.group(tab, '', () => webui.write(box, box.value.slice(0, from) + words + box.value.slice(to)));
    box.setSelectionRange(start, end);
  };

  // The innermost pair around the caret, as positions of its two brackets.
  const around = (value, caret, open, close) => {
    let depth = 0, start = caret - 1;
    for (; start >= 0; start--) {
      if (value[start] === close) depth++;
      if (value[start] === open && depth-- === 0) break;
    }
    if (start < 0) return null;
    depth = 0;
    for (let end = caret; end < value.length; end++) {
      if (value[end] === open) depth++;
      if (value[end] === close && depth-- === 0) return [start, end];
    }
    return null;
  };
  const word = (value, start, end) => {
    const stops = character => character === undefined || options.delimiters.includes(character);
    while (start > 0 && !stops(value[start - 1])) start--;
    while (end < value.length && !stops(value[end])) end++;
    return [start, end];
  };
  const step = (number, up, by) => parseFloat((number + (up ? by : -by)).toPrecision(12));
  const decimal = number => (Number.isInteger(number) ? `${number}.0` : String(number));

  const tagStep = (box, pair, up) => {
    const inside = box.value.slice(pair[0] + 1, pair[1]), match = /^(\w+:[^:]+:)([^:=]+=)?(-?[\d.]+)(.*)$/s.exec(inside);
    if (!match || !Number.isFinite(parseFloat(match[3]))) return;
    const words = `${match[1]}${match[2] || ''}${decimal(step(parseFloat(match[3]), up, options.extra))}${match[4]}`;
    replace(box, pair[0] + 1, pair[1], words, pair[0] + 1, pair[0] + 1 + words.length);
  };

  // (words:1.1), ((words)) and [words] around start…end: [from, to, words, weight].
  const emphasis = (value, start, end) => {
    const weighted = /^:\s*(-?[\d.]+)\s*\)/.exec(value.slice(end));
    if (value[start - 1] === '(' && weighted) return [start - 1, end + weighted[0].length, value.slice(start, end), parseFloat(weighted[1])];
    const open = value[start - 1], close = { '(': ')', '[': ']' }[open];
    if (!close || value[end] !== close) return [start, end, value.slice(start, end), 1];
    let depth = 0;
    while (value[start - 1 - depth] === open && value[end + depth] === close) depth++;
    return [start - depth, end + depth, value.slice(start, end), Math.round((open === '(' ? 1.1 : 1 / 1.1) ** depth * 100) / 100];
  };
  const wordStep = (box, up) => {
    const value = box.value;
    let start = box.selectionStart, end = box.selectionEnd;
    if (start === end) {
      const round = around(value, start, '(', ')') || around(value, start, '[', ']');
      if (round) {
        [start, end] = [round[0] + 1, round[1]];
        const weight = /:\s*-?[\d.]+\s*$/.exec(value.slice(start, end));
        if (weight) end -= weight[0].length;
      } else [start, end] = word(value, start, end);
    }
    while (end > start && /\s/.test(value[end - 1])) end--;
    if (start === end) return;
    const [from, to, words, weight] = emphasis(value, start, end), next = step(weight, up, options.attention);
    if (next === 1) replace(box, from, to, words, from, from + words.length);
    else replace(box, from, to, `(${words}:${decimal(next)})`, from + 1, from + 1 + words.length);
  };

  // The item between two commas changes places with its neighbour.
  const move = (box, right) => {
    const value = box.value, caret = box.selectionStart, items = value.split(',');
    let index = 0, passed = items[0].length;
    while (passed < caret && index < items.length - 1) passed += items[++index].length + 1;
    const other = index + (right ? 1 : -1);
    if (other < 0 || other >= items.length) return;
    const bare = items.map(item => item.trim()), [low, high] = [Math.min(index, other), Math.max(index, other)];
    const blank = item => [/^\s*/.exec(item)[0], item.trim() ? /\s*$/.exec(item)[0] : ''];
    const [lead, tail] = [items.map(item => blank(item)[0]), items.map(item => blank(item)[1])];
    [bare[low], bare[high]] = [bare[high], bare[low]];
    const moved = bare.map((item, each) => lead[each] + item + tail[each]);
    const start = moved.slice(0, other).join(',').length + (other ? 1 : 0) + lead[other].length;
    replace(box, 0, value.length, moved.join(','), start, start + bare[other].length);
  };

  document.addEventListener('keydown', event => {
    const box = event.target;
    if (!tabOf(box) || event.shiftKey || event.isComposing || event.defaultPrevented) return;
    const up = event.key === 'ArrowUp', vertical = up || event.key === 'ArrowDown', right = event.key === 'ArrowRight';
    if (vertical && (event.ctrlKey || event.metaKey) && !event.altKey) {
      event.preventDefault();
      const tag = around(box.value, box.selectionStart, '<', '>');
      if (tag && box.selectionEnd <= tag[1]) tagStep(box, tag, up); else wordStep(box, up);
    } else if (options.move && event.altKey && !event.ctrlKey && !event.metaKey && (right || event.key === 'ArrowLeft')) {
      event.preventDefault();
      move(box, right);
    }
  });

  // ---- options, from the settings

  const ask = async () => { options = { ...OPTIONS, ...await webui.getJSON('internal/networks/options').catch(() => options) }; };
  // A promise of options that are at most three seconds old.
  const refresh = () => {
    if (Date.now() - asked < 3000) return answer;
    asked = Date.now();
    return (answer = ask());
  };
  document.addEventListener('focusin', event => {
    if (!tabOf(event.target)) return;
    negativeLast = event.target.closest('.prompt').id.endsWith('_neg_prompt');
    refresh();
  });
  refresh();

  return {
    boxes, tabOf, text, change, tags, weighted, apart, swap, without, weigh, quoted, round, off, setOff, switchOff, switchOn, holds, added, removed,
    options: () => options, refresh,
    active: tab => (negativeLast ? boxes(tab).negative : boxes(tab).prompt),
  };
})();
