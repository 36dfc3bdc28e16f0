"""Draw the emoji sets: WORK/pictures.npz and WORK/concepts.json.

NODE_MODULES is where npm put @iconify-json/fluent-emoji-flat, @iconify-json/fluent-emoji, @iconify-json/noto, @lobehub/fluent-emoji-3d and
emojibase-data; resvg_py (PyPI) draws the SVG.
"""

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import resvg_py  # pyright: ignore[reportMissingImports]
from PIL import Image

from tools.demo_model.concepts import CONCEPTS
from tools.demo_model.pictures import SIZE, Bytes
from tools.demo_model.workspace import Workspace, arguments

CONTENT = 108  # pixels of the larger side of what is drawn
SETS = (("flat", "fluent-emoji-flat"), ("glossy", "fluent-emoji"), ("cartoon", "noto"))


def main(work: Workspace, node_modules: Path) -> None:
    rows = json.loads((node_modules / "emojibase-data/en/data.json").read_text(encoding="utf-8"))
    emoji = {re.sub(r"[^a-z0-9]+", "-", row["label"].lower()).strip("-"): row for row in rows}
    sets = [(style, json.loads((node_modules / f"@iconify-json/{package}/icons.json").read_text(encoding="utf-8"))) for style, package in SETS]
    known = {slug: emoji[slug] for slug in CONCEPTS if slug in emoji}
    drawn = [(slug, style, picture) for slug, row in known.items() for style, picture in drawings(slug, row["hexcode"].lower(), sets, node_modules)]
    slugs, styles, pictures = zip(*drawn, strict=True)
    work.folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(work.pictures, rgba=np.stack(pictures), slug=np.array(slugs), style=np.array(styles))
    concepts = {slug: {"names": CONCEPTS[slug], "tags": row.get("tags", [])} for slug, row in known.items()}
    work.concepts.write_text(json.dumps(concepts, indent=1), encoding="utf-8")
    print(len(known), "concepts,", len(pictures), "pictures:", dict(Counter(styles)), "not found:", *(set(CONCEPTS) - set(known)))


def drawings(slug: str, code: str, sets: list[tuple[str, dict]], node_modules: Path) -> Iterator[tuple[str, Bytes]]:
    """The picture of a concept in each style that has it."""
    for style, icons in sets:
        if (svg := svg_of(icons, slug)) and (picture := fit(Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))))) is not None:
            yield style, picture
    for name in (code, code.replace("-fe0f", ""), f"{code}-fe0f"):
        path = node_modules / f"@lobehub/fluent-emoji-3d/assets/{name}.webp"
        if path.exists():
            if (picture := fit(Image.open(path))) is not None:
                yield "3d", picture
            return


def svg_of(icons: dict, slug: str) -> str | None:
    """From an Iconify collection, aliases followed."""
    icon = icons["icons"].get(slug) or icons["icons"].get(icons.get("aliases", {}).get(slug, {}).get("parent"))
    if icon is None:
        return None
    left, top, width, height = (icon.get(side, icons.get(side, default)) for side, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16)))
    body = icon["body"].replace("currentColor", "#000")
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {spaces} viewBox="{left} {top} {width} {height}" width="256" height="256">{body}</svg>'


def fit(drawing: Image.Image) -> Bytes | None:
    """Cut to what is drawn, scaled so that its larger side is CONTENT, in the middle of SIZE × SIZE; premultiplied RGBA."""
    rgba = np.asarray(drawing.convert("RGBA")).astype(np.float32) / 255
    rgba[..., :3] *= rgba[..., 3:]
    rows, columns = np.where(rgba[..., 3] > 0.03)
    if len(rows) == 0:
        return None
    rgba = rgba[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = rgba.shape[:2]
    scale = CONTENT / max(height, width)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    channels = [np.asarray(Image.fromarray(rgba[..., i]).resize((width, height), Image.Resampling.LANCZOS)) for i in range(4)]
    result = np.zeros((SIZE, SIZE, 4), np.float32)
    y, x = (SIZE - height) // 2, (SIZE - width) // 2
    result[y : y + height, x : x + width] = np.clip(np.stack(channels, -1), 0, 1)
    return (result * 255 + 0.5).astype(np.uint8)


if __name__ == "__main__":
    parser = arguments(__doc__)
    parser.add_argument("node_modules", type=Path)
    given = parser.parse_args()
    main(given.work, given.node_modules)
