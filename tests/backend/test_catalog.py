import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from backend.catalog import KINDS, Catalog, Kind
from backend.errors import NotFound
from backend.flags import parse_flags
from backend.hashes import HashCache
from backend.job import FileRef
from backend.paths import Paths
from tests.backend.opens import opened_files

FOLDERS = {"checkpoint": "models/Stable-diffusion", "vae": "models/VAE", "lora": "models/Lora", "embedding": "embeddings", "upscaler": "models/ESRGAN"}


class Folder:
    """A data folder, and the catalog of it."""

    def __init__(self, root: Path, *flags: str) -> None:
        self.root = root
        self.paths = Paths.from_flags(parse_flags(["--data-dir", str(root), *flags]), root)
        self.paths.ensure()
        self.hashes = HashCache(self.paths.cache / "hashes.db")
        self.catalog = Catalog(self.paths, self.hashes)

    def add(self, kind: Kind, name: str, metadata: dict[str, str] | None = None, value: float = 0.0) -> Path:
        path = self.root / FOLDERS[kind] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            save_file({"a": torch.tensor([value])}, path, metadata)
        else:
            path.write_bytes(b"old pickle")
        return path

    def names(self, kind: Kind) -> list[str]:
        self.catalog.refresh(kind)
        return [entry.name for entry in self.catalog.entries(kind)]

    def found(self, kind: Kind, name: str) -> str | None:
        entry = self.catalog.find(kind, name)
        return entry.name if entry else None


def _no_permission(*_: object) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.hashes.close()


def test_an_empty_folder_lists_nothing(folder: Folder):
    assert [folder.catalog.entries(kind) for kind in KINDS] == [()] * 5


def test_files_are_listed_folder_by_folder_in_natural_order(folder: Folder):
    for name in ("b/x2.safetensors", "b/x10.safetensors", "Z.safetensors", "a.ckpt", "b/c/y.pt", "A/z.safetensors"):
        folder.add("lora", name)
    assert folder.names("lora") == ["a.ckpt", "Z.safetensors", "A/z.safetensors", "b/x2.safetensors", "b/x10.safetensors", "b/c/y.pt"]


def test_each_kind_takes_its_own_suffixes(folder: Folder):
    names = ["1.safetensors", "2.SAFETENSORS", "3.ckpt", "4.pt", "5.bin", "6.png", "6.preview.png", "7.vae.safetensors", "8.json", "9.yaml", "0"]
    for kind in KINDS:
        for name in names:
            path = folder.add(kind, name.lower())
            path.rename(path.with_name(name))
    assert folder.names("checkpoint") == ["1.safetensors", "2.SAFETENSORS", "3.ckpt"]
    assert folder.names("lora") == ["1.safetensors", "2.SAFETENSORS", "3.ckpt", "4.pt", "5.bin", "7.vae.safetensors"]
    assert folder.names("embedding") == ["1.safetensors", "2.SAFETENSORS", "4.pt", "5.bin", "6.png", "7.vae.safetensors"]


def test_a_vae_beside_a_checkpoint_is_a_vae(folder: Folder):
    folder.add("checkpoint", "x.vae.pt")
    folder.add("vae", "b.pt")
    assert folder.names("vae") == ["b.pt", "x.vae.pt"]
    assert folder.names("checkpoint") == []


def test_unfinished_files_are_not_listed(folder: Folder, caplog: pytest.LogCaptureFixture):
    whole = folder.add("lora", "whole.safetensors")
    for name in ("x.safetensors.part", "x.safetensors.tmp", "x.safetensors.crdownload"):
        whole.with_name(name).write_bytes(whole.read_bytes())
    whole.with_name("cut.safetensors").write_bytes(whole.read_bytes()[:-1])
    whole.with_name("cut.pt").write_bytes(b"PK\x03\x04 a zip file without its end")
    whole.with_name("empty.ckpt").touch()
    assert folder.names("lora") == folder.names("lora") == ["whole.safetensors"]
    assert caplog.text.count("Not listed: cut.safetensors is cut off") == 1  # once, however often the folder is looked at
    whole.with_name("cut.safetensors").write_bytes(whole.read_bytes())
    assert folder.names("lora") == ["cut.safetensors", "whole.safetensors"]


def test_a_file_that_did_not_change_is_not_opened_again(folder: Folder):
    path = folder.add("lora", "x.safetensors", {"ss_output_name": "first"})
    folder.catalog.refresh()
    stat = path.stat()
    path.write_bytes(b"x" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    folder.catalog.refresh()
    assert folder.catalog.entries("lora")[0].alias == "first"


def test_a_second_start_opens_no_file_and_lists_the_same(folder: Folder):
    for number in range(300):
        folder.add("lora", f"{number % 3}/{number}.safetensors", {"ss_output_name": f"trained {number}", "note": "é"})
    folder.add("checkpoint", "x.ckpt")
    (folder.root / FOLDERS["lora"] / "cut.safetensors").write_bytes(b"1234567")
    with opened_files() as opened:
        first = Catalog(folder.paths, folder.hashes)
    assert len([path for path in opened if path.startswith(str(folder.root))]) == 303  # the first of those that are alike twice
    with opened_files() as opened:
        second = Catalog(folder.paths, folder.hashes)
        second.refresh()
    assert opened == []
    assert second.entries("lora") == first.entries("lora") and len(second.entries("lora")) == 300
    assert second.refused("lora") == first.refused("lora") != ()
    assert dict(second.entries("lora")[0].metadata) == {"ss_output_name": "trained 0", "note": "é"}


def test_of_many_files_only_the_changed_one_is_read_again(folder: Folder):
    paths = [folder.add("lora", f"{number}.safetensors") for number in range(20)]
    folder.catalog.refresh()
    folder.add("lora", "7.safetensors", {"ss_output_name": "changed"})
    with opened_files() as opened:
        folder.catalog.refresh()
    assert opened == [str(paths[7])]
    assert folder.found("lora", "changed") == "7.safetensors"
    folder.add("lora", "8.safetensors", {"ss_output_name": "changed, too"})
    with opened_files() as opened:
        folder.catalog.look_at(paths)
    assert opened == [str(paths[8])]
    assert folder.found("lora", "changed, too") == "8.safetensors"
    with opened_files() as opened:
        Catalog(folder.paths, folder.hashes)
    assert opened == []


def test_what_is_remembered_of_files_that_left_is_forgotten(folder: Folder):
    left, stays = folder.add("lora", "left.safetensors", {"k": "left"}), folder.add("lora", "stays.safetensors")
    folder.catalog.refresh()
    left.unlink()
    Catalog(folder.paths, folder.hashes)
    assert folder.hashes.database.rows("SELECT path FROM files_2") == [(str(stays),)]
    assert folder.hashes.database.rows("SELECT path FROM metadata_1") == []


def test_a_drive_that_is_not_there_for_a_while_is_not_read_again(folder: Folder):
    for number in range(3):
        folder.add("lora", f"{number}.safetensors")
    folder.catalog.refresh()
    drive = folder.root / FOLDERS["lora"]
    drive.rename(folder.root / "unplugged")
    drive.mkdir()
    assert Catalog(folder.paths, folder.hashes).entries("lora") == ()
    drive.rmdir()
    (folder.root / "unplugged").rename(drive)
    with opened_files() as opened:
        assert len(Catalog(folder.paths, folder.hashes).entries("lora")) == 3
    assert opened == []


def test_metadata_are_those_of_the_file_as_it_was_listed(folder: Folder):
    path = folder.add("lora", "x.safetensors", {"k": "first"})
    folder.catalog.refresh()
    before = folder.catalog.entries("lora")[0]
    folder.add("lora", "x.safetensors", {"k": "the second"})
    assert before.metadata["k"] == "first"
    folder.catalog.look_at([path])
    assert folder.catalog.entries("lora")[0].metadata["k"] == before.metadata["k"] == "the second"


def test_a_file_that_cannot_be_opened_is_tried_again(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    folder.add("lora", "x.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr("backend.safetensors_header.os.fstat", _no_permission)
        folder.catalog.refresh()
    assert [refused.reason for refused in folder.catalog.refused("lora")] == ["x.safetensors cannot be read: Permission denied."]
    assert folder.names("lora") == ["x.safetensors"]
    assert folder.catalog.refused("lora") == ()


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_a_name_that_is_no_text_is_refused(folder: Folder):
    path = folder.add("lora", "x.safetensors")
    os.rename(path, os.fsencode(path.parent) + b"/x\xff.safetensors")
    assert folder.names("lora") == []
    assert [refused.reason for refused in folder.catalog.refused("lora")] == ["x?.safetensors has a name that is not UTF-8: rename it."]


def test_refused_files_are_told_with_a_reason(folder: Folder):
    path = folder.add("lora", "sub/cut.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    revision = folder.catalog.revision
    folder.catalog.refresh()
    (refused,) = folder.catalog.refused("lora")
    assert (refused.kind, refused.name, refused.path) == ("lora", "sub/cut.safetensors", path)
    assert refused.reason == "cut.safetensors is cut off (1 bytes are missing): download it again."
    assert folder.catalog.revision == revision + 1
    assert folder.catalog.refused("checkpoint") == ()


@pytest.mark.parametrize("suffix", [".json", ".txt", ".description.txt", ".preview.png", ".webp"])
def test_a_sidecar_or_preview_that_comes_changes_or_leaves_is_a_change(folder: Folder, suffix: str):
    model = folder.add("lora", "sub/ink v1.5.safetensors")
    folder.add("lora", "sub/other.safetensors")
    folder.catalog.refresh()
    beside, revision = model.with_suffix(suffix), folder.catalog.revision
    looks = (folder.catalog.refresh, lambda: folder.catalog.look_at([beside]))
    for look in looks:
        for change in (lambda: beside.write_text("1"), lambda: beside.write_text("22"), beside.unlink):
            change()
            with opened_files() as opened:
                look()
            revision += 1
            assert (folder.catalog.revision, opened) == (revision, [])
            assert [name for name, _, _ in folder.catalog.entries("lora")[0].beside] == ([beside.name] if beside.exists() else [])


def test_what_lies_beside_another_model_or_none_is_no_change(folder: Folder):
    model = folder.add("lora", "ink.safetensors")
    folder.catalog.refresh()
    revision = folder.catalog.revision
    for name in ("inks.json", "ink.yaml", "ink.preview.tiff", "sub/ink.json"):
        path = model.parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
        folder.catalog.look_at([path])
        folder.catalog.refresh()
    assert folder.catalog.revision == revision


def test_the_revision_goes_up_with_changes_only(folder: Folder):
    before = folder.catalog.revision
    folder.catalog.refresh()
    assert folder.catalog.revision == before
    path = folder.add("lora", "x.safetensors")
    folder.catalog.refresh()
    assert folder.catalog.revision == before + 1
    path.unlink()
    folder.catalog.refresh("checkpoint")
    assert folder.catalog.revision == before + 1
    folder.catalog.refresh("lora")
    assert folder.catalog.revision == before + 2


def test_links_are_followed_and_loops_end(folder: Folder, tmp_path_factory: pytest.TempPathFactory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save_file({"a": torch.zeros(1)}, elsewhere / "linked.safetensors")
    loras = folder.root / FOLDERS["lora"]
    (loras / "link").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(loras)
    (loras / "dangling.safetensors").symlink_to(elsewhere / "nothing")
    assert folder.names("lora") == ["link/linked.safetensors"]


def test_a_file_is_found_by_each_of_its_names(folder: Folder):
    folder.add("lora", "styles/ink v1.5.safetensors", {"ss_output_name": "inky"})
    folder.catalog.refresh()
    for name in ("styles/ink v1.5.safetensors", "styles/ink v1.5", "ink v1.5.safetensors", "ink v1.5", "inky"):
        assert folder.found("lora", name) == "styles/ink v1.5.safetensors"
    assert folder.found("lora", "INK v1.5") is None  # A1111 heeds the case
    assert folder.found("checkpoint", "inky") is None


def test_two_files_of_one_stem_are_both_reachable(folder: Folder):
    for name in ("a/ink.safetensors", "b/ink.safetensors", "b/ink.pt", "ink.ckpt"):
        folder.add("lora", name)
    folder.catalog.refresh()
    assert [folder.found("lora", name) for name in ("a/ink", "b/ink.safetensors", "b/ink.pt", "ink.ckpt")] == [
        "a/ink.safetensors",
        "b/ink.safetensors",
        "b/ink.pt",
        "ink.ckpt",
    ]
    assert folder.found("lora", "ink") == "ink.ckpt"  # the path itself, before any stem


def test_of_equal_stems_the_last_is_meant_and_a_stem_goes_before_an_alias(folder: Folder):
    folder.add("lora", "a/ink.safetensors")
    folder.add("lora", "b/ink.safetensors")
    folder.add("lora", "z.safetensors", {"ss_output_name": "ink"})
    folder.catalog.refresh()
    assert folder.found("lora", "ink") == "b/ink.safetensors"


@pytest.mark.parametrize(
    ("name", "meant", "others"),
    [
        ("ink", "ink.ckpt", ["a/ink.safetensors", "b/ink.pt", "b/ink.safetensors"]),
        ("b/ink", "b/ink.safetensors", ["b/ink.pt"]),
        ("ink.safetensors", "b/ink.safetensors", ["a/ink.safetensors"]),
        ("wash", "b/wash.safetensors", ["a/wash.safetensors"]),
        ("given", "z.safetensors", ["y.safetensors"]),
        ("a/ink", "", []),
        ("ink.ckpt", "", []),
        ("b/ink.pt", "", []),
        ("b_wash", "", []),
        ("y", "", []),
        ("nothing", "", []),
    ],
)
def test_a_name_that_several_files_have_is_told(folder: Folder, name: str, meant: str, others: list[str]):
    for file in ("a/ink.safetensors", "b/ink.safetensors", "b/ink.pt", "ink.ckpt", "a/wash.safetensors", "b/wash.safetensors"):
        folder.add("lora", file)
    for file in ("y.safetensors", "z.safetensors"):
        folder.add("lora", file, {"ss_output_name": "given"})
    folder.catalog.refresh()
    assert sorted(entry.name for entry in folder.catalog.ambiguous("lora", name)) == sorted([*others, *([meant] if meant else [])])
    assert [entry.name for entry in folder.catalog.ambiguous("lora", name)][:1] == ([meant] if meant else [])
    assert folder.catalog.ambiguous("checkpoint", name) == ()


def test_a_path_name_means_its_file_alone(folder: Folder):
    for file in ("a/ink.safetensors", "b/ink.safetensors", "b/ink.pt", "ink.ckpt", "wash.safetensors"):
        folder.add("lora", file)
    folder.catalog.refresh()
    names = {folder.catalog.path_name(entry): entry.name for entry in folder.catalog.entries("lora")}
    assert set(names) == {"a/ink", "b/ink.safetensors", "b/ink.pt", "ink.ckpt", "wash"}
    for name, file in names.items():
        assert (folder.found("lora", name), folder.catalog.ambiguous("lora", name)) == (file, ())


def test_the_title_gets_its_hash_when_that_is_known(folder: Folder):
    folder.add("checkpoint", "x.safetensors")
    folder.catalog.refresh()
    entry, revision = folder.catalog.entries("checkpoint")[0], folder.catalog.revision
    assert folder.catalog.title(entry) == "x.safetensors"
    assert folder.catalog.short_hash(entry) == folder.hashes.sha256(entry.path)[:10]
    known = folder.catalog.entries("checkpoint")[0]
    assert folder.catalog.title(known) == f"x.safetensors [{known.hash[:10]}]" and folder.catalog.revision == revision + 1
    for name in (folder.catalog.title(known), known.hash, known.hash[:10], known.hash[:12], f"renamed.safetensors [{known.hash[:10]}]"):
        assert folder.found("checkpoint", name) == "x.safetensors"
    assert folder.found("checkpoint", "x.safetensors [0123456789]") == "x.safetensors"


def test_a_hash_that_was_computed_before_is_there_from_the_start(folder: Folder):
    path = folder.add("checkpoint", "x.safetensors")
    digest = folder.hashes.sha256(path)
    assert Catalog(folder.paths, folder.hashes).entries("checkpoint")[0].hash == digest


def test_a_lora_is_found_by_the_hash_of_its_tensors(folder: Folder):
    folder.add("lora", "x.safetensors")
    folder.add("lora", "y.safetensors", value=1.0)
    folder.catalog.refresh()
    entry = folder.catalog.entries("lora")[1]
    short = folder.catalog.short_hash(entry)
    assert len(short) == 12 and folder.hashes.tensors_hash(entry.path).startswith(short)
    assert folder.found("lora", short) == "y.safetensors"


def test_a_checkpoint_is_found_by_a_part_of_its_name(folder: Folder):
    folder.add("checkpoint", "sd/v1-5-pruned-emaonly.safetensors")
    folder.add("checkpoint", "sd/v1-5-pruned.safetensors")
    folder.catalog.refresh()
    assert folder.found("checkpoint", "v1-5-pru") == "sd/v1-5-pruned.safetensors"
    assert folder.found("checkpoint", "sd_v1-5-pruned-emaonly") == "sd/v1-5-pruned-emaonly.safetensors"
    assert folder.found("checkpoint", "") is folder.found("checkpoint", "nothing like it") is None


def test_a_job_finds_its_file_by_hash_though_it_was_renamed(folder: Folder):
    path = folder.add("lora", "x.safetensors")
    folder.catalog.refresh()
    ref = folder.catalog.ref(folder.catalog.entries("lora")[0])
    assert ref == FileRef(name="x.safetensors", hash=folder.hashes.sha256(path))
    moved = path.rename(path.with_name("y.safetensors"))
    folder.hashes.sha256(moved)
    folder.add("lora", "x.safetensors", value=1.0)
    assert folder.catalog.resolve("lora", ref).name == "y.safetensors"


def test_a_job_finds_its_file_by_name_in_the_folder_as_it_is_now(folder: Folder):
    path = folder.add("lora", "new.safetensors")
    assert folder.catalog.resolve("lora", FileRef(name="new.safetensors", hash="0" * 64)).path == path
    folder.add("lora", "new.safetensors", {"ss_output_name": "replaced"})
    assert folder.catalog.resolve("lora", FileRef(name="new.safetensors")).alias == "replaced"


@pytest.mark.parametrize("name", ["x.safetensors", "../../secret.safetensors", "/etc/passwd", ""])
def test_a_job_for_a_file_that_is_not_listed_is_refused(folder: Folder, name: str):
    save_file({"a": torch.zeros(1)}, folder.root / "secret.safetensors")
    with pytest.raises(NotFound, match="is not there any more"):
        folder.catalog.resolve("lora", FileRef(name=name))


def test_without_hashing_files_have_no_hash(folder: Folder):
    folder.add("checkpoint", "x.safetensors")
    hashes = HashCache(folder.root / "other.db", hashing=False)
    catalog = Catalog(folder.paths, hashes)
    entry = catalog.entries("checkpoint")[0]
    assert (catalog.ref(entry).hash, catalog.short_hash(entry), catalog.title(entry)) == ("", "", "x.safetensors")
    hashes.close()


def test_the_checkpoint_of_the_command_line_comes_first_wherever_it_lies(folder: Folder, tmp_path_factory: pytest.TempPathFactory):
    folder.add("checkpoint", "a.safetensors")
    inside = folder.add("checkpoint", "sub/b.safetensors")
    outside = tmp_path_factory.mktemp("outside") / "c.safetensors"
    save_file({"a": torch.zeros(1)}, outside)
    for path, names in ((inside, ["sub/b.safetensors", "a.safetensors"]), (outside, ["c.safetensors", "a.safetensors", "sub/b.safetensors"])):
        other = Folder(folder.root, "--ckpt", str(path))
        assert other.names("checkpoint") == names
        other.hashes.close()


def test_a_second_folder_of_the_command_line_counts_too(folder: Folder, tmp_path_factory: pytest.TempPathFactory):
    folder.add("checkpoint", "a.safetensors")
    more = tmp_path_factory.mktemp("more")
    save_file({"a": torch.zeros(1)}, more / "b.safetensors")
    other = Folder(folder.root, "--ckpt-dir", str(more))
    assert other.names("checkpoint") == ["a.safetensors", "b.safetensors"]
    other.hashes.close()


@settings(deadline=None)
@given(name=st.text(max_size=40))
def test_no_name_finds_what_is_not_listed(tmp_path_factory: pytest.TempPathFactory, name: str):
    folder = Folder(tmp_path_factory.getbasetemp() / "names")
    folder.add("lora", "ink.safetensors")
    folder.catalog.refresh()
    found = folder.catalog.find("lora", name)
    folder.hashes.close()
    assert found is None or found.path.is_relative_to(folder.root / FOLDERS["lora"])
