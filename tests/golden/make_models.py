"""The models that the golden pictures were drawn with: random weights, made in seconds, checked by their sha256.

python -m tests.golden.make_models FOLDER [tiny-sd2-v]     makes FOLDER/models and FOLDER/embeddings, where a server can be started on them.
"""

import hashlib
import sys
from pathlib import Path

import safetensors.torch

from tests.golden.checkpoints import CHECKPOINTS
from tests.golden.networks import LORAS, write_embeddings

SHA256 = {
    "models/Stable-diffusion/tiny-sd1.safetensors": "ecbf2ab8870a09f23654329494bed6399de5430fb9739ab85acc17f7e0d0a435",
    "models/Stable-diffusion/tiny-sd2-v.safetensors": "863914a5f1e021e25cb0d42906c48e570e3a98428fedd93ce21d3c1a75b6714e",
    "models/Lora/lora.safetensors": "3bf4ba6b1de4d21d7ff68cd280963fac83e53280fe34909e1c6b56b7717d27c4",
    "models/Lora/lora-b.safetensors": "5198ed7f702203fd917775efd180f4567814686894f83e34c174657d779896a2",
    "models/Lora/lora-unet-only.safetensors": "4f569f88623e14fd1029a5f0599afd4cc105c2e110d00463fceaed33e03c1fe8",
    "models/Lora/lora-noalpha-nometa.safetensors": "eb948d2413da21e2a2fe49c52ec25fd522176c24dd3e4035b6aa9418a0635005",
    "models/Lora/locon.safetensors": "6860c5d20785ee42d652ffb4b1b3a0a5dd2df8634892c08d0e4be1846bf8ba23",
    "models/Lora/locon-mid.safetensors": "36a63144a280c032e9a83db4a5052fe13b419a10b3053edd45758d9c0201a97e",
    "embeddings/ti-bin.bin": "2cb2a57b50625487c82ec2de8f8a64d8c69f7ddf9c0bd47ba6bc7fa72c5ffe7c",
    "embeddings/ti-long75.pt": "33630606933f1b39a2dafee390b6fbcbb61d225566521bfc9c15d3ec842c87d7",
    "embeddings/ti-pt.pt": "42e62a5b3945f7c152564cff774f6d24f3bb75692a3ae0f0b7f1cfb2fc145201",
    "embeddings/ti-st.safetensors": "65f54c66c69f764e593730da165e28fa18da7e8b9bc3c250e927d1434b451911",
}
YAML = {"tiny-sd2-v": 'model:\n  params:\n    parameterization: "v"\n'}  # what tells v-prediction from ε in an SD 2 file
STYLES = """name,prompt,negative_prompt
Cinematic,"cinematic still, {prompt}, film grain","cartoon, drawing"
Tagged,"best quality","worst quality"
"""


def make(folder: Path, checkpoints: tuple[str, ...] = ("tiny-sd1",)) -> Path:
    """What is missing or differs is made again. Returns the folder."""
    for name in checkpoints:
        path = _place(folder, f"models/Stable-diffusion/{name}.safetensors")
        if not is_right(folder, path):
            safetensors.torch.save_file(CHECKPOINTS[name](), path, {"format": "pt"})
        if name in YAML:
            path.with_suffix(".yaml").write_text(YAML[name])
    for lora in LORAS:
        path = _place(folder, f"models/Lora/{lora.name}.safetensors")
        if not is_right(folder, path):
            lora.write(path.parent)
    embeddings = [_place(folder, name) for name in SHA256 if name.startswith("embeddings/")]
    if not all(is_right(folder, path) for path in embeddings):
        write_embeddings(folder / "embeddings")
    (folder / "styles.csv").write_text(STYLES)
    return folder


def is_right(folder: Path, path: Path) -> bool:
    return path.exists() and sha256(path) == SHA256[path.relative_to(folder).as_posix()]


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _place(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


if __name__ == "__main__":
    make(Path(sys.argv[1]), ("tiny-sd1", *sys.argv[2:]))
