from pathlib import Path

import pytest

from backend.flags import parse_flags
from backend.paths import Paths


def paths(root: Path, *argv: str) -> Paths:
    return Paths.from_flags(parse_flags(argv), root)


def test_without_flags_all_lies_below_the_program(tmp_path: Path):
    found = paths(tmp_path)
    assert found.checkpoints == (tmp_path / "models/Stable-diffusion",)
    assert (found.vae, found.loras, found.embeddings) == ((tmp_path / "models/VAE",), (tmp_path / "models/Lora",), tmp_path / "embeddings")
    assert (found.config_file, found.styles_files, found.outputs) == (tmp_path / "config.json", (tmp_path / "styles.csv",), tmp_path / "outputs")


def test_data_dir_moves_what_is_the_persons_and_models_dir_the_models(tmp_path: Path):
    found = paths(tmp_path / "program", "--data-dir", str(tmp_path / "data"), "--models-dir", str(tmp_path / "m"))
    assert (found.root, found.outputs) == (tmp_path / "program", tmp_path / "data/outputs")
    assert found.loras == (tmp_path / "m/Lora",)


def test_a_given_checkpoint_folder_counts_beside_the_usual_one(tmp_path: Path):
    assert paths(tmp_path, "--ckpt-dir", str(tmp_path / "c")).checkpoints == (tmp_path / "models/Stable-diffusion", tmp_path / "c")
    assert paths(tmp_path, "--ckpt-dir", str(tmp_path / "models/Stable-diffusion")).checkpoints == (tmp_path / "models/Stable-diffusion",)


def test_a_lycoris_folder_counts_where_there_is_one(tmp_path: Path):
    (tmp_path / "models/LyCORIS").mkdir(parents=True)
    assert paths(tmp_path).loras == (tmp_path / "models/Lora", tmp_path / "models/LyCORIS")


def test_single_files_come_from_ckpt_and_vae_path(tmp_path: Path):
    found = paths(tmp_path, "--ckpt", str(tmp_path / "a.ckpt"), "--vae-path", str(tmp_path / "b.pt"))
    assert (found.checkpoint_file, found.vae_file) == (tmp_path / "a.ckpt", tmp_path / "b.pt")


def test_paths_on_the_command_line_are_relative_to_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert paths(tmp_path / "program", "--lora-dir", "l").loras == (tmp_path / "l",)


def test_style_files_may_be_named_by_wildcards(tmp_path: Path):
    for name in ("b.csv", "a.csv", "c.txt"):
        (tmp_path / name).touch()
    found = paths(tmp_path, "--styles-file", str(tmp_path / "*.csv"), "--styles-file", str(tmp_path / "new.csv"))
    assert [path.name for path in found.styles_files] == ["a.csv", "b.csv", "new.csv"]


def test_ensure_makes_every_folder(tmp_path: Path):
    found = paths(tmp_path / "new")
    found.ensure()
    assert all(folder.is_dir() for folder in (*found.checkpoints, *found.loras, *found.vae, found.embeddings, found.outputs, found.cache, found.extensions))


def test_a_given_folder_of_upscalers_counts_beside_the_usual_ones(tmp_path: Path):
    usual = [tmp_path / "models" / name for name in ("ESRGAN", "RealESRGAN", "BSRGAN", "SwinIR", "ScuNET", "DAT", "HAT")]
    assert list(paths(tmp_path).upscalers) == usual
    assert list(paths(tmp_path, "--realesrgan-models-path", str(tmp_path / "r")).upscalers) == [*usual[:2], tmp_path / "r", *usual[2:]]
