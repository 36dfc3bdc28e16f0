"""The checkpoints that are kept loaded: the latest few, the one in use first."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

import torch

from backend.checkpoints.loader import open_checkpoint, open_vae
from backend.checkpoints.model import Model
from backend.checkpoints.parts import Part
from backend.checkpoints.placement import Placement
from backend.checkpoints.small_vae import SmallVaes
from backend.checkpoints.weight_file import Identity, identity
from backend.errors import WebUIError
from backend.job import ModelOptions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Key:
    """Equal keys: the loaded weights are the wanted ones."""

    path: Path
    file: Identity
    unet_dtype: torch.dtype


@dataclass
class _Loaded:
    model: Model
    vae: tuple[Path, Identity]


class Models:
    """Loads on demand. A file that cannot be loaded changes nothing: what was loaded stays."""

    def __init__(self, placement: Placement, small: SmallVaes) -> None:
        self.placement = placement
        self.small = small
        self._loaded: dict[_Key, _Loaded] = {}  # least recently used first
        self._lock = RLock()

    @contextmanager
    def loaded(
        self, checkpoint_path: Path, vae_path: Path | None, options: ModelOptions, on_load: Callable[[str], None] = lambda name: None
    ) -> Iterator[Model]:
        """The model, with the VAE and the options wanted, for this caller alone. on_load is told the file's name if it has to be read.

        Raises WebUIError if a file cannot be used.
        """
        with self._lock:
            placement = self.placement.with_unet_dtype(options.unet_dtype)
            key = _Key(checkpoint_path, _identity(checkpoint_path), placement.unet_dtype)
            entry = self._loaded.get(key)
            if entry is None:
                entry = self._load(key, vae_path, placement, max(1, options.keep_loaded), on_load)
            else:
                self._loaded[key] = self._loaded.pop(key)  # the latest is last
                self._give_vae(entry, vae_path)
                self._shrink(max(1, options.keep_loaded))
            entry.model.set_options(options)
            entry.model.use_small(self.small)
            yield entry.model

    def close(self) -> None:
        with self._lock:
            self._shrink(0)

    def _load(self, key: _Key, vae_path: Path | None, placement: Placement, keep: int, on_load: Callable[[str], None]) -> _Loaded:
        """What can be wrong with the files shows before the other models make room."""
        draft = open_checkpoint(key.path, vae_path, placement)
        on_load(key.path.name)
        self._forget_outdated(key)
        self._shrink(keep - 1)
        entry = _Loaded(draft.fill(), _vae_wanted(key.path, vae_path))
        self._loaded[key] = entry
        return entry

    def _give_vae(self, entry: _Loaded, vae_path: Path | None) -> None:
        wanted = _vae_wanted(entry.model.path, vae_path)
        if wanted == entry.vae:
            return
        part: Part = open_vae(wanted[0])
        place = entry.model.placement
        part.fill(place.device if place.offload == "none" else torch.device("cpu"), place.vae_dtype)
        part.file.release()
        entry.model.use_vae(part)
        entry.vae = wanted
        log.info("VAE: %s", wanted[0].name)

    def _forget_outdated(self, key: _Key) -> None:
        """A checkpoint that was replaced on disk, or is wanted in another precision."""
        for old in [other for other in self._loaded if other.path == key.path]:
            self._loaded.pop(old).model.close()

    def _shrink(self, keep: int) -> None:
        while len(self._loaded) > keep:
            entry = self._loaded.pop(next(iter(self._loaded)))
            log.info("%s makes room", entry.model.path.name)
            entry.model.close()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _vae_wanted(checkpoint: Path, vae_path: Path | None) -> tuple[Path, Identity]:
    """The file whose VAE is used: the chosen one, or the checkpoint itself."""
    path = vae_path or checkpoint
    return path, _identity(path)


def _identity(path: Path) -> Identity:
    try:
        return identity(path.stat())
    except OSError as error:
        raise WebUIError(f"{path.name} is not there any more: refresh the list and choose another file.") from error
