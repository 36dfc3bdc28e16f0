// "from 512x512 to 1024x1024", as the hires pass will draw it; and which of its rows are seen.
webui.hires = (() => {
  const shown = {}; // by tab: the line
  const send = {}; // by tab: asks for the picture of ✨ to be enlarged
  const ROWS = { sampler: ['hr_checkpoint_name', 'hr_sampler_name', 'hr_scheduler'], prompts: ['hr_prompt', 'hr_negative_prompt'] };

  // [first pass, second pass], each [width, height], as the server decides them (backend/plan_passes.py). old: the setting use_old_hires_fix_width_height.
  const sizes = ({ width, height, hr_scale: scale, hr_resize_x: x, hr_resize_y: y }, old = false) => {
    if (!old) return [[width, height], target(width, height, scale, x, y)];
    const smaller = Math.sqrt(512 * 512 / (width * height)), first = [width, height].map(side => Math.ceil(smaller * side / 64) * 64);
    return [first, target(...first, scale, width, height)];
  };

  const target = (width, height, scale, x, y) => {
    const [wide, high] = enlarged(width, height, scale, x, y), cells = pixels => Math.floor(pixels / 8);
    const cut = x && y ? [cells(wide - x), cells(high - y)] : [0, 0];
    return [(cells(wide) - cut[0]) * 8, (cells(high) - cut[1]) * 8];
  };

  const enlarged = (width, height, scale, x, y) => {
    if (!x && !y) return [Math.trunc(width * scale), Math.trunc(height * scale)];
    if (!y || (x && width / height < x / y)) return [x, Math.floor(x * height / width)];
    return [Math.floor(y * width / height), y];
  };

  const show = (tab, values) => {
    if (!shown[tab] || !('hr_scale' in values)) return;
    const options = webui.prompt.options(), group = document.getElementById(`${tab}_hr`), [from, to] = sizes(values, options.hires_old);
    shown[tab].textContent = `from ${from.join('x')} to ${to.join('x')}`;
    for (const [row, names] of Object.entries(ROWS)) group.dataset[row] = String(!!options[`hires_${row}`] || names.some(name => values[name]));
  };

  const again = tab => show(tab, webui.form.values(tab));

  webui.form.watch(show);
  return {
    sizes,
    picture: '', // that ✨ was pressed for, as JSON
    bind(tab, fire) { send[tab] = fire; },
    upscale(tab, picture) { this.picture = picture; send[tab](); },
    attach(element, tab) {
      shown[tab] = element.querySelector('.final');
      const ask = () => webui.prompt.refresh().then(() => again(tab));
      document.getElementById(`${tab}_hr`).addEventListener('change', ask);
      ask();
    },
  };
})();
