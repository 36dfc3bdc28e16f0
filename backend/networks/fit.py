"""What a file is and what it fits, from its header alone: kind, naming scheme, family, rank, layers. No tensor is read, torch is not needed."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from backend.networks import families, kinds
from backend.networks.keys import split_key
from backend.networks.layout import Layout
from backend.networks.names import Names, Shape, Shapes
from backend.safetensors_header import Header

RUNS = frozenset({families.SD1, families.SD2, families.SDXL, families.REFINER})  # the families that this program runs
_RANKED = frozenset({"LoRA", "LoCon", "DoRA", "LoHa", "LoKr", "GLoRA", "Control LoRA", "LoRA+TI bundle"})
_WIDER = (8, 9)  # channels that the U-Nets of instruct-pix2pix and of inpainting models take
_SIDECAR = "sd version"  # A1111's key in name.json
_UNSAID = frozenset({"", "unknown", "none"})
# how a layer's name begins → which model it is in; the rest is "net"
_ENCODERS = (
    ("lora_te1_", "te1"), ("lora_te2_", "te2"), ("lora_te3_", "te3"), ("lora_te_", "te"), ("lora_prior_te_", "te"), ("text_encoder_2.", "te2"),
    ("text_encoder_3.", "te3"), ("text_encoder.", "te"), ("text_encoder:", "te"), ("text_encoders.clip_l.", "te1"), ("text_encoders.clip_g.", "te2"),
    ("text_encoders.t5xxl.", "te3"), ("clip_l.", "te1"), ("clip_g.", "te2"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Description:
    """family: "SDXL"; "SD1/SD2" where the header leaves it open; "unknown". rank: of most layers, None where there is none."""

    kind: str
    scheme: str
    family: str
    rank: int | None
    ranks: Mapping[int, int]  # rank → layers
    modules: Mapping[str, int]  # "net", "te", "te1", … → layers
    also: tuple[str, ...]  # other kinds in the same file
    source: str  # who told the family: "sidecar", "keys", "metadata", "" = nobody

    @property
    def is_network(self) -> bool:
        return bool(self.modules) or self.scheme == kinds.METADATA_ONLY

    @property
    def families(self) -> tuple[str, ...]:
        return () if self.family == families.UNKNOWN else tuple(self.family.split("/"))

    @property
    def line(self) -> str:
        """For people: "LoRA for SDXL, rank 32, kohya-ldm names, 986 layers (te1 72, te2 192, net 722)"."""
        words = [self.kind + ("" if self.family == families.NONE else f" for {self.family}" if self.is_network else f", {self.family}")]
        if self.rank is not None:
            others = f" (and {', '.join(str(rank) for rank in sorted(self.ranks) if rank != self.rank)})" if len(self.ranks) > 1 else ""
            words.append(f"rank {self.rank}{others}")
        words.append(f"{self.scheme} names" if self.scheme != kinds.METADATA_ONLY else self.scheme)
        if self.modules:
            words.append(f"{sum(self.modules.values())} layers ({', '.join(f'{part} {count}' for part, count in self.modules.items())})")
        if self.also:
            words.append(f"also {', '.join(self.also)}")
        return ", ".join(words)

    def as_dict(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "scheme": self.scheme,
            "family": self.family,
            "rank": self.rank,
            "ranks": {str(rank): count for rank, count in sorted(self.ranks.items())},
            "modules": dict(self.modules),
            "also": list(self.also),
            "source": self.source,
        }


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How many of a file's layers have a place of their shape in the checkpoint, and why others have none (a half-sentence; "" if all have)."""

    fitting: int
    total: int
    because: str
    misfits: tuple[str, ...]  # layers as the file calls them

    @property
    def text(self) -> str:
        """ "264 of 264 layers", "180 of 264 layers, because …", "not at all, because …" """
        if not self.fitting:
            return f"not at all, because {self.because}"
        return f"{self.fitting} of {self.total} layers" + (f", because {self.because}" if self.because else "")

    def as_dict(self) -> dict[str, object]:
        return {"fitting": self.fitting, "total": self.total, "text": self.text, "because": self.because}


@dataclass(frozen=True)
class Checkpoint:
    """The one that is loaded: its family, and its layers."""

    family: str
    layout: Layout

    @classmethod
    def read(cls, header: Header) -> "Checkpoint | None":
        """None for what is neither a checkpoint nor a U-Net of Stable Diffusion."""
        layout = Layout.read(header_shapes(header))
        return None if layout is None else cls(describe(header).family, layout)


def describe(header: Header, sidecar: Mapping[str, object] | None = None) -> Description:
    """sidecar: name.json beside the file, whose "sd version" is a person's word."""
    return describe_shapes(header_shapes(header), header.metadata, sidecar)


def header_shapes(header: Header) -> Shapes:
    return {name: info.shape for name, info in header.tensors.items()}


def describe_shapes(shapes: Shapes, metadata: Mapping[str, str], sidecar: Mapping[str, object] | None = None) -> Description:
    return describe_names(Names.sort(shapes), metadata, sidecar)


def describe_names(names: Names, metadata: Mapping[str, str], sidecar: Mapping[str, object] | None = None) -> Description:
    kind = kinds.network_kind(names)
    if kind:
        scheme, possible = kinds.network_scheme(names), families.network_families(names)
    elif names.shapes:
        kind, scheme = kinds.model_kind(names)
        possible = families.model_families(names, kind)
    else:
        kind, scheme, possible = kinds.said_kind(metadata), kinds.METADATA_ONLY, ()
    network = kind not in (kinds.UNKNOWN, "") and (bool(names.parts) or not names.shapes)
    ranks = names.ranks() if network else Counter[int]()
    family, source = _family(possible, metadata, sidecar or {}, trust=network)
    return Description(
        kind=kind,
        scheme=scheme,
        family=family,
        rank=max(ranks, key=lambda rank: (ranks[rank], rank)) if ranks else _said_rank(names, kind, metadata),
        ranks=ranks,
        modules=_modules(names) if network else {},
        also=kinds.network_also(names, kind) if network else (),
        source=source,
    )


def with_words(description: Description, metadata: Mapping[str, str], sidecar: Mapping[str, object] | None = None) -> Description:
    """description: of the tensors alone. The trainer's and the person's word about the family count as in describe."""
    family, source = _family(description.families, metadata, sidecar or {}, trust=description.is_network)
    return replace(description, family=family, source=source)


def fits_family(description: Description, family: str) -> bool | None:
    """Whether the file is for a family; None where the header leaves that open. Quick enough for a list of thousands."""
    possible = description.families
    return None if not possible or (family in possible and len(possible) > 1) else family in possible


def fit(header: Header, checkpoint: Checkpoint) -> Fit:
    return fit_names(Names.sort(header_shapes(header)), describe(header), checkpoint)


def fit_names(names: Names, description: Description, checkpoint: Checkpoint) -> Fit:
    if not description.is_network or not names.layers:
        what = "it tells no layers" if description.is_network else f"it is {_article(description.kind)}, no LoRA"
        return Fit(fitting=0, total=len(names.layers), because=what, misfits=tuple(sorted(names.layers)))
    places = {layer: _place(name, checkpoint.layout) for part in names.parts.values() for layer, name in part.items()}
    homeless = sorted(layer for layer, place in places.items() if place is None)
    wrong = sorted(layer for layer, place in places.items() if place is not None and not _has_room(names, layer, place))
    return Fit(
        fitting=len(places) - len(homeless) - len(wrong),
        total=len(places),
        because=_because(names, description, checkpoint, homeless, [(layer, places[layer] or ()) for layer in wrong]),
        misfits=(*homeless, *wrong),
    )


def _place(name: str, layout: Layout) -> Shape | None:
    """Shape of the weight that the layer changes; () if it is not known."""
    target = layout.index.find(split_key(name)[0])
    return None if target is None else layout.modules.get(target.component, {}).get(target.path, ())


def _has_room(names: Names, layer: str, place: Shape) -> bool:
    size = names.size(layer)
    if not place:
        return True
    rows, columns = place[0], math.prod(place[1:])
    if size is None or len(place) < 2:
        lengths = names.lengths(layer)
        return not lengths or rows in lengths or (columns in lengths and layer in names.parts.get("on_input", {}))
    plain = columns * 4 // place[1] if place[1] in _WIDER else columns  # a network of the plain model leaves the further channels alone
    return size[0] == rows and size[1] in (columns, plain)


def _because(names: Names, description: Description, checkpoint: Checkpoint, homeless: list[str], wrong: list[tuple[str, Shape]]) -> str:
    if not homeless and not wrong:
        return ""
    if fits_family(description, checkpoint.family) is False:
        runs = "" if any(family in RUNS for family in description.families) else ", which this program does not run"
        return f"it is for {description.family}{runs or f' and the checkpoint is {checkpoint.family}'}"
    reasons = []
    if homeless:
        reasons.append(f"the checkpoint has no {_some(homeless)}")
    if wrong:
        layer, place = wrong[0]
        size = names.size(layer)
        here, there = (" × ".join(map(str, each)) for each in (size or names.lengths(layer), (place[0], math.prod(place[1:])) if size else place))
        reasons.append(f"{_some([layer for layer, _ in wrong])} {'is' if len(wrong) == 1 else 'are'} of another shape ({here}, in the checkpoint {there})")
    return " and ".join(reasons)


def _some(layers: list[str]) -> str:
    return layers[0] if len(layers) == 1 else f"{layers[0]} and {len(layers) - 1} more"


def _article(kind: str) -> str:
    return "of an unknown kind" if kind == kinds.UNKNOWN else f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


def _family(possible: families.Families, metadata: Mapping[str, str], sidecar: Mapping[str, object], *, trust: bool) -> tuple[str, str]:
    """A person's word first, then what the tensors say; the trainer's only where these leave it open."""
    said = sidecar.get(_SIDECAR)
    if isinstance(said, str) and said.strip().lower() not in _UNSAID:
        return said.strip(), "sidecar"
    if len(possible) == 1:
        return possible[0], "keys"
    written = families.said_families(metadata) if trust else ()
    if written and (written[0] in possible or not possible):
        return written[0], "metadata"
    return ("/".join(possible), "keys") if possible else (families.UNKNOWN, "")


def _said_rank(names: Names, kind: str, metadata: Mapping[str, str]) -> int | None:
    """For names without shapes."""
    if kind not in _RANKED or any(0 not in shape for shape in names.shapes.values() if shape):
        return None
    text = metadata.get("ss_network_dim", "")
    return int(text) if text.isdecimal() and text.isascii() and 0 < len(text) < 7 else None


def _modules(names: Names) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for start, part in _ENCODERS:
        if f'"{start}' in names.heads:
            counts[part] = counts.get(part, 0) + len([layer for layer in names.layers if layer.startswith(start)])
    return {part: count for part, count in (*sorted(counts.items()), ("net", len(names.layers) - sum(counts.values()))) if count}
