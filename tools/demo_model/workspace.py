"""Where the scripts keep what they make, and what every command line has in common."""

import argparse
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """One folder; each file is written by one script and read by later ones."""

    folder: Path

    @property
    def pictures(self) -> Path:  # make_data: every emoji, 128 × 128, premultiplied RGBA
        return self.folder / "pictures.npz"

    @property
    def concepts(self) -> Path:  # make_data: names and tags
        return self.folder / "concepts.json"

    @property
    def vae_raw(self) -> Path:  # train_vae
        return self.folder / "vae_raw.pt"

    @property
    def vae(self) -> Path:  # encode: the same with latents of unit variance
        return self.folder / "vae.pt"

    @property
    def latents(self) -> Path:  # encode
        return self.folder / "latents.npz"

    @property
    def unet(self) -> Path:  # train_unet: U-Net and text encoder
        return self.folder / "unet.pt"

    def lora(self, name: str) -> Path:  # train_lora
        return self.folder / "lora" / f"{name}.safetensors"

    def look(self, name: str) -> Path:
        """A picture to judge the training by."""
        path = self.folder / "look" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def arguments(doc: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=lambda text: Workspace(Path(text)), metavar="WORK", help="the folder of all that is made")
    return parser
