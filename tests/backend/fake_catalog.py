"""A Catalog of files that need not exist: names, hashes and aliases as a test wants them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from backend.added import NOTHING, Added
from backend.catalog import Catalog, Entry, Kind
from backend.face_files import FaceFiles
from backend.listing import Refused


def entry(kind: Kind, name: str, hash: str = "", metadata: Mapping[str, str] = MappingProxyType({})) -> Entry:
    file, output_name = f"/models/{kind}/{name}", metadata.get("ss_output_name", "")
    return Entry(kind=kind, name=name, file=file, size=1, mtime_ns=1, metadata=metadata, output_name=output_name, hash=hash)


class FakeCatalog(Catalog):
    """tensor_hashes: what short_hash gives for a Lora, by stem."""

    faces = FaceFiles((), ())

    def __init__(
        self, entries: Sequence[Entry], tensor_hashes: Mapping[str, str] = MappingProxyType({}), refused: Sequence[Refused] = (), added: Added = NOTHING
    ) -> None:
        self.added = added
        self._all = tuple(entries)
        self._all_refused = tuple(refused)
        self._tensor_hashes = tensor_hashes

    def entries(self, kind: Kind) -> tuple[Entry, ...]:
        return tuple(entry for entry in self._all if entry.kind == kind)

    def find(self, kind: Kind, name: str) -> Entry | None:
        found = (e for e in self.entries(kind) if name in (e.stem, e.alias, e.name, self.title(e)) or (name and e.hash.startswith(name)))
        return next(found, None)

    def refused(self, kind: Kind) -> tuple[Refused, ...]:
        return tuple(file for file in self._all_refused if file.kind == kind)

    def ambiguous(self, kind: Kind, name: str) -> tuple[Entry, ...]:
        found = tuple(entry for entry in self.entries(kind) if entry.stem == name)
        return found if len(found) > 1 else ()

    def hashed(self, entry: Entry) -> Entry:
        return entry

    def short_hash(self, entry: Entry) -> str:
        return self._tensor_hashes.get(entry.stem, entry.hash[:12])


def golden_catalog() -> FakeCatalog:
    """The files that A1111's golden pictures were drawn with."""
    checkpoints = {"tiny-sd1": "ecbf2ab887", "tiny-sd1-b": "3d5ef9419e", "tiny-sd2-v": "863914a5f1", "tiny-sdxl": "de973c589b"}
    aliases = {"lora-b": {"ss_output_name": "second_lora"}}
    return FakeCatalog(
        [
            *(entry("checkpoint", f"{name}.safetensors", hash) for name, hash in checkpoints.items()),
            entry("vae", "tiny-vae-b.safetensors", "4a21be67cc"),
            *(entry("lora", f"{name}.safetensors", "", aliases.get(name, {})) for name in LORA_HASHES),
        ],
        LORA_HASHES,
    )


LORA_HASHES: Mapping[str, str] = MappingProxyType(
    {
        "boft": "f72cb6b7c24c",
        "bundle": "13d2910871e2",
        "dora": "e25ad4f667a4",
        "full-diff": "6bbf7dd4c1d4",
        "glora": "cc21a573bbb7",
        "ia3": "fe01ca5f30df",
        "locon-mid": "e2a0569ab20e",
        "locon": "9e43a92cf6a1",
        "loha-fp16": "7ab139b5e020",
        "loha-tucker": "da8c29bf04b0",
        "loha": "d2dedf147993",
        "lokr-decompose": "72a17cc405d5",
        "lokr-full": "65fa4abdf7ac",
        "lokr-tucker": "8e417f51d54c",
        "lokr": "efb082f233a6",
        "lora-b": "e693b3c1aa30",
        "lora-noalpha-nometa": "1d3919e800a2",
        "lora-unet-only": "fcea3d3b5f33",
        "lora": "ff9c8a9f112b",
        "norm": "e53dbe8d1602",
        "oft-diag-old": "5ce4d70c45eb",
        "oft-kohya-compvis": "4921715d3d9e",
        "oft-kohya": "164ee8d41cd8",
        "oft-lycoris": "bdff88a9bbf4",
        "oft-noalpha": "a46cbd61493c",
        "oft-rescale": "8d89cd50c607",
        "peft-diffusers": "93f1aa7ebbcd",
        "peft-kohya-names": "283e5f89f754",
    }
)
