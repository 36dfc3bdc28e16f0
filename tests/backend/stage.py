"""A GenerationService over a folder of its own, with a fake engine: everything is real but the drawing."""

import json
from pathlib import Path

from backend.added import NOTHING
from backend.catalog import Catalog
from backend.flags import parse_flags
from backend.hashes import HashCache
from backend.paths import Paths
from backend.plugins import Hooks
from backend.prompts.style_file import StyleFiles
from backend.request import GenerationRequest, Sampling, Seed, Size
from backend.service import GenerationService
from backend.settings import SettingsStore
from backend.workers.local import LocalWorker
from backend.workers.worker import Worker
from tests.backend.workers.fake_engine import FakeEngine

STYLES = 'name,prompt,negative_prompt\nCinematic,"cinematic still, {prompt}, film grain",cartoon\n'


def write_safetensors(path: Path, metadata: dict[str, str] | None = None) -> Path:
    """A whole file with one tensor; no weights of a model are in it."""
    header = json.dumps({"__metadata__": metadata or {}, "weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0\0\0")
    return path


def open_service(folder: Path, worker: Worker | None = None, hooks: Hooks | None = None, **settings: object) -> GenerationService:
    """Two checkpoints, a VAE and a Lora called ink."""
    paths = Paths.from_flags(parse_flags(["--data-dir", str(folder)]), folder)
    paths.ensure()
    (folder / "styles.csv").write_text(STYLES, "utf-8")
    models = folder / "models"
    write_safetensors(models / "Stable-diffusion/tiny.safetensors")
    write_safetensors(models / "Stable-diffusion/other/second.safetensors", {"which": "second"})
    write_safetensors(models / "VAE/bright.safetensors", {"which": "vae"})
    write_safetensors(models / "Lora/ink.safetensors", {"ss_output_name": "indian-ink", "ss_tag_frequency": '{"10_cat": {"cat": 10}}', "ss_v2": "False"})
    store = SettingsStore(paths.config_file)
    if settings:
        store.update(settings)
    added = NOTHING if hooks is None else hooks.added
    catalog, styles = Catalog(paths, HashCache(paths.cache / "hashes.db"), added), StyleFiles(paths.styles_files)
    return GenerationService(store, catalog, worker or LocalWorker(FakeEngine()), paths, styles, hooks=hooks)


def ask(prompt: str = "a cat", *, seed: int = 7, steps: int = 3, batch_size: int = 1, n_iter: int = 1, **fields: object) -> GenerationRequest:
    return GenerationRequest(
        prompt=prompt,
        seed=Seed(seed=seed),
        size=Size(width=16, height=8),
        sampling=Sampling(sampler="Euler", steps=steps),
        batch_size=batch_size,
        n_iter=n_iter,
        **fields,  # type: ignore[arg-type]
    )
