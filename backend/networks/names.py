"""The tensor names of a file, sorted once: which layers it changes, by which parts, of which shape. Strings and shapes only."""

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Parts = Mapping[str, str]  # layer → the whole name of the tensor

# the last word of a name → the part of a network that it is
_LAST: Mapping[str, str] = MappingProxyType(
    {
        **{word: word for word in ("dora_scale", "on_input", "w_norm", "b_norm", "oft_blocks", "oft_diag", "lambda_layer")},
        **{f"hada_{word}": f"hada_{word}" for word in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
        **{f"lokr_{word}": f"lokr_{word}" for word in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2")},
        **{word: "diff" for word in ("diff", "diff_b", "diff_m", "set_weight")},
        **{word: "down" for word in ("lora_down", "lora_A", "down")},
        **{word: "up" for word in ("lora_up", "lora_B", "up")},
        "lora_magnitude_vector": "dora_scale",
    }
)
# the word before ".weight" or ".bias"
_BEFORE_WEIGHT: Mapping[str, str] = MappingProxyType(
    {
        "lora_down": "down",
        "lora_up": "up",
        "lora_mid": "mid",
        "lora_A": "down",
        "lora_B": "up",
        "lora_magnitude_vector": "dora_scale",
        "oft_R": "oft_blocks",
        **{f"{word}{n}": f"glora_{word}{n}" for word in "ab" for n in (1, 2)},
    }
)
_IGNORED = (".alpha", ".scale")  # no layer is changed by these alone
_HEAD, _TAIL = 28, 32  # characters of a name that tell who named it
_INDEXED = re.compile(r"(\w+:\d+):(up|down)|(w_[ab]_\d+)")  # cloneofsimo's, and bare lists of factors


@dataclass(frozen=True, kw_only=True)
class Names:
    """Searching a long string is far quicker than looping over names, so the questions about names are asked of text, flat, heads and tails."""

    shapes: Shapes
    parts: Mapping[str, Parts]  # by part: "down", "up", "hada_w1_a", …
    layers: frozenset[str]  # what the file changes
    rest: tuple[str, ...]  # names that are no part of a network

    @classmethod
    def sort(cls, shapes: Shapes) -> "Names":
        parts: dict[str, dict[str, str]] = {}
        rest = []
        for name in shapes:
            if name.endswith(_IGNORED):
                continue
            layer, part = split_name(name)
            if part in parts:
                parts[part][layer] = name
            elif part:
                parts[part] = {layer: name}
            else:
                rest.append(name)
        return cls(shapes=shapes, parts=parts, layers=frozenset().union(*parts.values()), rest=tuple(rest))

    @cached_property
    def text(self) -> str:
        """Every name between quotation marks: "a"b"c\""""
        return '"'.join(("", *self.shapes, ""))

    @cached_property
    def flat(self) -> str:
        """The layers and the rest, so: "a_"b_"c_", with "_" for ".", which makes one of kohya's spelling and the dotted ones."""
        return '_"'.join(("", *self.layers, *self.rest, "")).replace(".", "_")

    @cached_property
    def heads(self) -> str:
        """How layers begin, once each."""
        return '"'.join(("", *{layer[:_HEAD] for layer in self.layers}))

    @cached_property
    def tails(self) -> str:
        """How the names of one part end, once each; it is the commonest, if there is no low-rank pair."""
        names = (self.parts.get("down") or self.parts.get("up") or max(self.parts.values(), key=len, default={})).values()
        return '"'.join((*{name[-_TAIL:] for name in names}, ""))

    def shape(self, part: str, layer: str) -> Shape:
        """() where the file does not have it, or does not say."""
        name = self.parts.get(part, {}).get(layer)
        return () if name is None else self.shapes[name]

    def all_shapes(self, part: str) -> set[Shape]:
        return {self.shapes[name] for name in self.parts.get(part, {}).values()}

    def ranks(self) -> Counter[int]:
        """rank → number of layers of that rank."""
        found: Counter[int] = Counter()
        for part in ("down", "hada_w1_b"):
            found.update([shape[0] for name in self.parts.get(part, {}).values() if (shape := self.shapes[name])])
        found.update(min(shape) for name in self.parts.get("glora_b1", {}).values() if (shape := self.shapes[name]))
        if not found:
            found.update(shape[1] for name in self.parts.get("up", {}).values() if len(shape := self.shapes[name]) > 1)
        second = self.parts.get("lokr_w2_b", {})
        first = {layer: name for layer, name in self.parts.get("lokr_w1_b", {}).items() if layer not in second}
        found.update(shape[0] for name in (*second.values(), *first.values()) if (shape := self.shapes[name]))
        del found[0]
        return found

    def lengths(self, layer: str) -> frozenset[int]:
        """For kinds without columns: what the number of rows – IA3: of rows or columns – must be; empty: the file does not say."""
        if blocks := self.shape("oft_blocks", layer) or self.shape("oft_diag", layer):
            return frozenset((blocks[-3] * blocks[-1],)) if len(blocks) > 2 else frozenset()
        vector = self.shape("w_norm", layer) or self.shape("b_norm", layer)
        if not vector and layer in self.parts.get("on_input", {}):
            vector = self.shapes.get(f"{layer}.weight", ())
        return frozenset((math.prod(vector),)) - {0} if vector else frozenset()

    def size(self, layer: str) -> tuple[int, int] | None:
        """(rows, columns) of the weight that the layer must have; columns = input channels × kernel. None: the file does not say."""
        for rule in (_low_rank, _hadamard, _kronecker, _glora, _full):
            if (size := rule(self, layer)) is not None:
                return size if min(size) > 0 else None
        return None


def split_name(name: str) -> tuple[str, str]:
    """Layer and part; without a part it is none of a network."""
    if name.endswith(".weight"):
        dot = name.rfind(".", 0, -7)
        if dot > 0 and (part := _BEFORE_WEIGHT.get(name[dot + 1 : -7])):
            return name[:dot], part
        return _split_weight(name[: max(dot, 0)], name[dot + 1 : -7], name)
    head, _, last = name.rpartition(".")
    if last in _LAST and head:
        return head, _LAST[last]
    if last == "bias":
        layer, _, word = head.rpartition(".")
        return (layer, "bias") if word in _BEFORE_WEIGHT and layer else (name, "")
    if last.isdecimal() and head.endswith(".oft_blocks"):
        return head.removesuffix(".oft_blocks"), "oft_blocks"
    if match := _INDEXED.fullmatch(name):
        return (match[1], match[2]) if match[1] else (match[3], "down")
    return name, ""


def _split_weight(layer: str, word: str, name: str) -> tuple[str, str]:
    """…to_q.lora.down, …to_q_lora.down, …qkv_lora1.down, …lora_A.default"""
    outer, _, way = layer.rpartition(".")
    if way in ("lora_A", "lora_B", "lora_magnitude_vector"):
        return outer, _BEFORE_WEIGHT[way]
    if word not in ("down", "up") or "lora" not in way:
        return name, ""
    if way in ("lora", "lora_linear_layer"):
        return outer, word
    return f"{outer.removesuffix('.processor')}.{way.removesuffix('_lora')}", word


# --------------------------------------------------------------------------- sizes


def _low_rank(names: Names, layer: str) -> tuple[int, int] | None:
    down, up = names.shape("down", layer), names.shape("up", layer)
    if not down or not up:
        return None
    return up[0], math.prod(down[1:]) * math.prod(names.shape("mid", layer)[2:])


def _hadamard(names: Names, layer: str) -> tuple[int, int] | None:
    a, b, kernel = (names.shape(f"hada_{part}", layer) for part in ("w1_a", "w1_b", "t1"))
    if len(a) < 2 or len(b) < 2:
        return None
    return (a[1], b[1] * math.prod(kernel[2:])) if kernel else (a[0], math.prod(b[1:]))


def _kronecker(names: Names, layer: str) -> tuple[int, int] | None:
    first, second = _factor(names, layer, "1"), _factor(names, layer, "2")
    return (first[0] * second[0], first[1] * second[1]) if first and second else None


def _factor(names: Names, layer: str, number: str) -> tuple[int, int] | None:
    whole, a, b, kernel = (names.shape(f"lokr_{part}{number}{end}", layer) for part, end in (("w", ""), ("w", "_a"), ("w", "_b"), ("t", "")))
    if whole:
        return whole[0], math.prod(whole[1:])
    if len(a) < 2 or len(b) < 2:
        return None
    return (a[1], b[1] * math.prod(kernel[2:])) if kernel else (a[0], math.prod(b[1:]))


def _glora(names: Names, layer: str) -> tuple[int, int] | None:
    b1, b2 = names.shape("glora_b1", layer), names.shape("glora_b2", layer)
    if len(b1) < 2 or len(b2) < 2:
        return None
    return (b1[0], b2[1]) if b1[1] == b2[0] <= b1[0] else (b2[0], b1[1])  # the older naming has the two the other way round


def _full(names: Names, layer: str) -> tuple[int, int] | None:
    name = names.parts.get("diff", {}).get(layer, "")
    shape = names.shapes[name] if name.endswith(".diff") else ()
    return (shape[0], math.prod(shape[1:])) if len(shape) > 1 else None
