"""Headers of real model files: those in tests/headers, and a larger collection beside the repository where there is one."""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent / "headers"
MORE = Path(__file__).parent.parent.parent / "shared" / "headers" / "public"
COLUMNS = ("kind", "scheme", "family", "rank")
_WIDTH = 2  # bytes of a float16


@dataclass(frozen=True)
class Item:
    """what: kind, scheme, family, rank and more as they are; open: those of them that the header does not show. A shape of () is not known."""

    name: str
    what: Mapping[str, object]
    open: frozenset[str]
    shapes: Mapping[str, tuple[int, ...]]
    metadata: Mapping[str, str]

    def write(self, path: Path) -> Path:
        """A .safetensors file full of nothing, which takes no room on the disk; a shape that is not known is written as [0]."""
        header: dict[str, object] = {"__metadata__": dict(self.metadata)} if self.metadata else {}
        at = 0
        for name, shape in self.shapes.items():
            size = _WIDTH
            for n in shape or (0,):
                size *= n
            header[name] = {"dtype": "F16", "shape": list(shape or (0,)), "data_offsets": [at, at + size]}
            at += size
        raw = json.dumps(header, ensure_ascii=False).encode()
        with path.open("wb") as file:
            file.write(len(raw).to_bytes(8, "little") + raw)
            file.truncate(8 + len(raw) + at)
        return path


def read_items() -> tuple[Item, ...]:
    """Those beside the repository only where tests/headers does not have them."""
    found = {path.name: _item(path.name.removesuffix(".json"), path.read_bytes()) for path in sorted(MORE.glob("*.json"))}
    found |= {path.name.removesuffix(".gz"): _item(path.name.removesuffix(".json.gz"), gzip.decompress(path.read_bytes())) for path in HERE.glob("*.gz")}
    return tuple(found[name] for name in sorted(found))


def read_item(name: str) -> Item:
    return _item(name, gzip.decompress((HERE / f"{name}.json.gz").read_bytes()))


def _item(name: str, raw: bytes) -> Item:
    content = json.loads(raw)
    what = content["what"]
    metadata = {key: str(value) for key, value in (content.get("metadata") or {}).items()}
    return Item(name, what, frozenset(what.get("undecidable", ())), {key: _shape(info) for key, info in content["tensors"].items()}, metadata)


def _shape(info: object) -> tuple[int, ...]:
    """Ours is the shape alone; the other collection has it beside a dtype."""
    shape = info.get("shape") if isinstance(info, dict) else info
    return tuple(shape) if isinstance(shape, list) else ()
