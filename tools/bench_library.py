"""What listing a folder of many LoRAs costs: the first time, at each later start, and after one file changed; and what a page of the library costs then.

  python -m tools.bench_library [--files 10000] [--sample 500] [--folder DIR]

The files are made for the occasion and removed afterwards: headers as kohya's trainer writes them for SD 1.5 (264 modules, 5 KB of metadata, 112 KB in all),
the tensors a hole in the file. Each look is a process of its own; its processor time counts, without the imports. Opens are counted by Python's audit hook.
For comparison: json.loads over the whole header of each file, which is what A1111 does, measured over a sample in the same run.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LIMITS = {"cold": 5.0, "warm": 0.3}  # seconds of processor time for 10,000 files
PAGE_LIMIT = 0.05  # of a page that is not the first
RANKS = (4, 8, 16, 32, 64, 128)
PAGES: Mapping[str, Mapping[str, Any]] = {
    "all": {},
    "a name": {"search": "lora 77"},
    "a tag": {"search": "set 99", "sort": "date", "descending": True},
    "a family": {"family": "SD1", "sort": "name"},
    "what fits": {"fits": "all,part"},
    "what fits in a folder, last used": {"fits": "all", "folder": "style 07", "sort": "used", "descending": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=500, help="files whose headers are parsed for comparison")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.look:
        print(json.dumps(look(given.look)))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        compare(Path(folder), given.files, min(given.sample, given.files))


def compare(folder: Path, count: int, sample: int) -> None:
    files = make_files(folder / "models" / "Lora", count)
    (folder / "models" / "Stable-diffusion").mkdir()
    shutil.copy(ROOT / "models" / "Stable-diffusion" / "demo-emoji.safetensors", folder / "models" / "Stable-diffusion")
    print(f"{count} files, header {int.from_bytes(files[0].read_bytes()[:8], 'little')} bytes")
    whole = cpu(lambda: [parse_whole_header(path) for path in files[:sample]]) / sample * count
    print(f"json.loads of each header: {whole:.2f} s ({sample} files measured)")
    for name in ("cold", "warm", "warm", "one file changed"):
        if name == "one file changed":
            write_lora(files[count // 2], {"ss_output_name": "changed"})
        report(name, run_look(folder), whole, count)


def report(name: str, seen: dict[str, float], whole: float, count: int) -> None:
    limit = LIMITS.get(name)
    told = f", limit {limit * count / 10_000:.2f} s" if limit else ""
    print(f"{name}: {seen['list']:.3f} s for {seen['files']:.0f} files ({whole / seen['list']:.0f} × less than json.loads{told}),", end=" ")
    print(f"{seen['opens']:.0f} files opened, first name found after another {seen['find']:.3f} s")
    for page in PAGES:
        limit = f", limit {PAGE_LIMIT * 1000:.0f} ms" if count <= 10_000 else ""
        print(f"  a page of {page}: {seen[f'first {page}'] * 1000:.0f} ms, again {seen[f'again {page}'] * 1000:.0f} ms{limit}")
    print(f"  {seen['page opens']:.0f} files opened for the pages")


def run_look(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tools.bench_library", "--look", str(folder)]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def look(folder: Path) -> dict[str, float]:
    """One start of the program, as far as the list of files goes."""
    from backend.catalog import Catalog
    from backend.flags import parse_flags
    from backend.hashes import HashCache
    from backend.library import Library, Query
    from backend.marks import Marks
    from backend.paths import Paths

    paths = Paths.from_flags(parse_flags(["--data-dir", str(folder)]), ROOT)
    opened: list[str] = []
    sys.addaudithook(lambda event, values: opened.append(str(values[0])) if event == "open" and str(values[0]).endswith(".safetensors") else None)
    catalogs: list[Catalog] = []
    seconds = cpu(lambda: catalogs.append(Catalog(paths, HashCache(paths.cache / "hashes.db"))))
    opens, entries = len(opened), catalogs[0].entries("lora")
    find = cpu(lambda: catalogs[0].find("lora", entries[-1].stem))
    library = Library(catalogs[0], Marks(paths.data / "library.db"))
    first = {f"first {name}": cpu(lambda page=page: library.page("lora", Query(**page))) for name, page in PAGES.items()}
    again = {f"again {name}": cpu(lambda page=page: library.page("lora", Query(**page))) for name, page in PAGES.items()}
    library.close()
    return {"list": seconds, "files": len(entries), "opens": opens, "find": find, **first, **again, "page opens": len(opened) - opens}


def cpu(work: Callable[[], object]) -> float:
    """Processor seconds."""
    start = time.process_time()
    work()
    return time.process_time() - start


def make_files(folder: Path, count: int) -> list[Path]:
    """In a hundred folders."""
    files = [folder / f"style {number % 100:02}" / f"lora {number} v1.5.safetensors" for number in range(count)]
    for number, path in enumerate(files):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_lora(path, {"ss_output_name": f"trained {number}"}, RANKS[number % len(RANKS)])
    return files


def write_lora(path: Path, metadata: dict[str, str], rank: int = 32) -> None:
    tensors, end = _tensors(rank)
    header = {"__metadata__": {**_METADATA, "ss_network_dim": str(rank), **metadata}, **tensors}
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        file.truncate(8 + len(raw) + end)


def parse_whole_header(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return json.loads(file.read(int.from_bytes(file.read(8), "little")))


@cache
def _tensors(rank: int) -> tuple[dict[str, object], int]:
    """kohya's names for the 192 layers of the U-Net and the 72 of the text encoder, in fp16."""
    blocks = [(f"input_blocks_{n}_1", width) for n, width in ((1, 320), (2, 320), (4, 640), (5, 640), (7, 1280), (8, 1280))]
    blocks += [("middle_block_1", 1280)]
    blocks += [(f"output_blocks_{n}_1", width) for n, width in zip(range(3, 12), (1280, 1280, 1280, 640, 640, 640, 320, 320, 320), strict=True)]
    attention = [f"transformer_blocks_0_attn{a}_to_{part}" for a in (1, 2) for part in ("k", "q", "v", "out_0")]
    layers = ["proj_in", *attention, "transformer_blocks_0_ff_net_0_proj", "transformer_blocks_0_ff_net_2", "proj_out"]
    modules = [(f"lora_unet_{block}_{layer}", width, width) for block, width in blocks for layer in layers]
    text = ["mlp_fc1", "mlp_fc2", *(f"self_attn_{part}_proj" for part in ("k", "out", "q", "v"))]
    modules += [(f"lora_te_text_model_encoder_layers_{n}_{layer}", 768, 768) for n in range(12) for layer in text]
    header: dict[str, object] = {}
    end = 0
    for module, rows, columns in modules:
        for part, shape in (("alpha", []), ("lora_down.weight", [rank, columns]), ("lora_up.weight", [rows, rank])):
            size = 2 * (shape[0] * shape[1] if shape else 1)
            header[f"{module}.{part}"] = {"dtype": "F16", "shape": shape, "data_offsets": [end, end + size]}
            end += size
    return header, end


_METADATA = {
    "ss_network_module": "networks.lora",
    "ss_base_model_version": "sd_v1",
    "ss_tag_frequency": json.dumps({"10_style": {f"a tag of the training set {number}": number for number in range(130)}}),
    **{f"ss_setting_{number}": str(number) for number in range(30)},
}

if __name__ == "__main__":
    main()
