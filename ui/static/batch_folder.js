// The fields of "From directory" in img2img's Batch mode: read as the values of a script, kept in this browser.
webui.batchFolder = root => {
  const KEY = 'webui-batch-folder';
  const inputs = () => Array.from(root.querySelectorAll('input'));

  const read = () => {
    const values = { png_info_props: [] };
    for (const input of inputs()) {
      if (input.name === 'png_info_props') { if (input.checked) values.png_info_props.push(input.value); }
      else values[input.name] = input.type === 'checkbox' ? input.checked : input.value.trim();
    }
    return values;
  };

  const fill = values => {
    for (const input of inputs()) {
      if (!(input.name in values)) continue;
      if (input.type !== 'checkbox') input.value = values[input.name];
      else input.checked = input.name === 'png_info_props' ? values.png_info_props.includes(input.value) : values[input.name];
    }
  };

  root.addEventListener('change', () => webui.store.write(KEY, read()));
  fill(webui.store.read(KEY));
  return { read };
};
