"""Where everything lies: A1111's folders and files, below the program's folder or where the flags say."""

import glob
from dataclasses import dataclass, field
from pathlib import Path

from backend.flags import Flags
from backend.images.filenames import Names

# Below models/, with the flag that names one more. Any file may lie in any of them: what it is, is read off its tensors.
UPSCALER_FOLDERS = (
    ("ESRGAN", "esrgan_models_path"),
    ("RealESRGAN", "realesrgan_models_path"),
    ("BSRGAN", "bsrgan_models_path"),
    ("SwinIR", "swinir_models_path"),
    ("ScuNET", "scunet_models_path"),
    ("DAT", "dat_models_path"),
    ("HAT", ""),
)


@dataclass(frozen=True, kw_only=True)
class Paths:
    """All absolute."""

    root: Path  # the program
    data: Path  # what is the person's
    models: Path
    checkpoints: tuple[Path, ...]
    vae: tuple[Path, ...]
    loras: tuple[Path, ...]
    embeddings: Path
    upscalers: tuple[Path, ...]
    gfpgan: tuple[Path, ...]  # of face restoration, and of what finds faces
    codeformer: tuple[Path, ...]
    outputs: Path
    config_file: Path
    styles_files: tuple[Path, ...]
    params_file: Path | None  # A1111's params.txt: parameters of the last picture; None = they are not kept
    ui_config_file: Path  # A1111's ui-config.json: defaults of the page
    localizations: Path
    user_css: Path
    notification: Path  # a sound
    cache: Path
    extensions: Path
    browsable: tuple[Path, ...]  # folders whose pictures a request may name
    checkpoint_file: Path | None = None  # --ckpt: listed first, wherever it lies
    gfpgan_file: Path | None = None  # --gfpgan-model
    vae_file: Path | None = None  # --vae-path: for every picture
    names: Names = field(default_factory=Names)  # of pictures

    @classmethod
    def from_flags(cls, flags: Flags, root: Path) -> "Paths":
        """A path on the command line is relative to the folder that the program is started in."""
        data = _given(flags.data_dir) or root.absolute()
        models = _given(flags.models_dir) or data / "models"
        lycoris = _given(flags.lyco_dir_backcompat) or models / "LyCORIS"
        return cls(
            root=root.absolute(),
            data=data,
            models=models,
            checkpoints=_folders(models / "Stable-diffusion", flags.ckpt_dir),
            vae=_folders(models / "VAE", flags.vae_dir),
            loras=(_given(flags.lora_dir) or models / "Lora", *((lycoris,) if lycoris.is_dir() else ())),
            embeddings=_given(flags.embeddings_dir) or data / "embeddings",
            upscalers=tuple(folder for name, flag in UPSCALER_FOLDERS for folder in _folders(models / name, getattr(flags, flag) if flag else None)),
            gfpgan=tuple(dict.fromkeys((*_folders(models / "GFPGAN", flags.gfpgan_models_path), *_folders(models / "GFPGAN", flags.gfpgan_dir)))),
            codeformer=_folders(models / "Codeformer", flags.codeformer_models_path),
            outputs=data / "outputs",
            config_file=_given(flags.ui_settings_file) or data / "config.json",
            styles_files=_styles(flags.styles_file) or (data / "styles.csv",),
            params_file=None if flags.no_prompt_history else data / "params.txt",
            ui_config_file=_given(flags.ui_config_file) or data / "ui-config.json",
            localizations=_given(flags.localizations_dir) or data / "localizations",
            user_css=data / "user.css",
            notification=data / "notification.mp3",
            cache=data / "cache",
            extensions=data / "extensions",
            browsable=() if flags.hide_ui_dir_config else (data, *(Path(folder).expanduser().absolute() for folder in flags.gradio_allowed_path)),
            checkpoint_file=_given(flags.ckpt),
            gfpgan_file=_given(flags.gfpgan_model),
            vae_file=_given(flags.vae_path),
            names=Names(longest=flags.filenames_max_length, any_character=flags.unix_filenames_sanitization),
        )

    def ensure(self) -> None:
        """Make the folders that are not there yet; those named by flags too."""
        models = (*self.checkpoints, *self.vae, *self.loras, self.embeddings, *self.upscalers, *self.gfpgan, *self.codeformer)
        for folder in (self.data, self.models, *models, self.outputs, self.cache, self.extensions):
            folder.mkdir(parents=True, exist_ok=True)


def _given(path: str | None) -> Path | None:
    return Path(path).expanduser().absolute() if path else None


def _folders(usual: Path, given: str | None) -> tuple[Path, ...]:
    """As in A1111 the usual folder counts beside the given one."""
    other = _given(given)
    return (usual, other) if other and other != usual else (usual,)


def _styles(patterns: tuple[str, ...]) -> tuple[Path, ...]:
    """Wildcards are expanded, in the order of names; a file that is not there yet is kept."""
    return tuple(Path(match) for pattern in map(_given, patterns) for match in sorted(glob.glob(str(pattern))) or (str(pattern),))
