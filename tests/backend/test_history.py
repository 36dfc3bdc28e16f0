"""The pictures in the output folders: what is found, what they say, and what is not to be had."""

import os
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from backend.errors import NotFound, WebUIError
from backend.flags import parse_flags
from backend.history import History
from backend.images.metadata import Encoding, encode
from backend.output_folders import output_folders
from backend.paths import Paths
from backend.picture_search import Query
from backend.settings import Settings
from tests.backend.stage import ask, open_service

CAT = 'a cat in a hat <lora:ink:0.8>\nNegative prompt: dog\nSteps: 4, Sampler: Euler, Seed: 77, Size: 16x8, Model: tiny, Lora hashes: "ink: abcdef012345"'
BOAT = "a boat\nSteps: 4, Sampler: Euler, Seed: 78, Size: 16x8, Model: other"
DAY = 86400


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.from_flags(parse_flags(["--data-dir", str(tmp_path)]), tmp_path)


@pytest.fixture
def history(paths: Paths) -> Iterator[History]:
    with_settings = History(paths, Settings)
    yield with_settings
    with_settings.close()


def save(path: Path, infotext: str = "", age: float = 0, format: str = "png") -> Path:
    """age: seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode(Image.new("RGB", (16, 8), "red"), infotext, Encoding(format=format)))
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def wait_until(true: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def looked(history: History) -> History:
    """With everything read."""
    history.look()
    wait_until(lambda: all(picture.facts for picture in history.find(Query()).pictures))
    return history


def names(history: History, **query: str) -> list[str]:
    return [picture.name for picture in history.find(Query(**query)).pictures]


def some(paths: Paths) -> None:
    save(paths.outputs / "txt2img-images/2026-01-01/00000-77.png", CAT, age=2 * DAY)
    save(paths.outputs / "txt2img-images/2026-01-02/00001-78.jpg", BOAT, age=DAY, format="jpg")
    save(paths.outputs / "txt2img-grids/grid-0000.webp", CAT, age=0, format="webp")


def test_pictures_come_newest_first_with_what_they_say(paths: Paths, history: History):
    some(paths)
    found = looked(history).find(Query())
    assert [picture.name for picture in found.pictures] == [
        "outputs/txt2img-grids/grid-0000.webp",
        "outputs/txt2img-images/2026-01-02/00001-78.jpg",
        "outputs/txt2img-images/2026-01-01/00000-77.png",
    ]
    facts = found.pictures[2].facts
    assert facts is not None
    assert (facts.width, facts.height, facts.seed, facts.model, facts.negative_prompt) == (16, 8, "77", "tiny", "dog")
    assert facts.loras == (("ink", "abcdef012345"),)
    assert found.counts["lora"] == [("ink", 2)] and found.counts["model"] == [("tiny", 2), ("other", 1)]
    assert found.counts["folder"] == [("outputs/txt2img-grids", 1), ("outputs/txt2img-images", 2)]
    assert [number for _, number in found.groups] == [1, 1, 1] and len(found.counts["day"]) == 3


@pytest.mark.parametrize(
    ("search", "seeds"),
    [("cat hat", 2), ("CAT", 2), ("boat", 1), ("cat boat", 0), ("dog", 2), ("-dog", 1), ("78", 1), ("grid", 1), ("abcdef012345", 2), ("-", 3), ("%", 0)],
)
def test_each_word_must_occur_and_a_word_behind_a_dash_must_not(paths: Paths, history: History, search: str, seeds: int):
    some(paths)
    assert len(names(looked(history), search=search)) == seeds


def test_filters_go_together_and_each_counts_what_the_others_leave(paths: Paths, history: History):
    some(paths)
    found = looked(history).find(Query(lora="ink", folder="outputs/txt2img-images"))
    assert [picture.name[-6:] for picture in found.pictures] == ["77.png"]
    assert found.counts["lora"] == [("ink", 1)] and found.counts["model"] == [("tiny", 1)]
    assert found.counts["folder"] == [("outputs/txt2img-grids", 1), ("outputs/txt2img-images", 1)]
    day = history.find(Query()).pictures[1].day
    assert names(history, day=day) == ["outputs/txt2img-images/2026-01-02/00001-78.jpg"]
    assert names(history, lora="nobody") == []


def test_the_disk_is_followed(paths: Paths, history: History):
    some(paths)
    assert len(names(looked(history))) == 3
    old = paths.outputs / "txt2img-images/2026-01-01"
    save(old / "new.png", BOAT)
    assert len(names(looked(history), search="boat")) == 2
    (old / "new.png").unlink()
    assert len(names(looked(history))) == 2 + 1
    shutil.rmtree(old)
    assert len(names(looked(history))) == 2


def test_a_change_that_comes_right_after_a_look_is_seen(paths: Paths, history: History):
    for number in range(5):
        save(paths.outputs / "a" / f"{number}.png")
        history.look()
        assert len(names(history)) == number + 1


def test_a_quiet_look_changes_nothing(paths: Paths, history: History):
    some(paths)
    before = looked(history).revision
    history.look()
    assert history.revision == before and history.unread == 0


def test_a_file_written_over_in_its_place_is_read_again(paths: Paths, history: History, monkeypatch: pytest.MonkeyPatch):
    path = save(paths.outputs / "a/1.png", CAT, age=DAY)
    os.utime(path.parent, (0, 0))
    assert names(looked(history), search="cat")
    save(path, BOAT)
    os.utime(path.parent, (0, 0))
    monkeypatch.setattr("backend.history.WHOLE", 0.0)
    assert names(looked(history), search="boat") and not names(history, search="cat")


def test_a_second_start_reads_no_file(paths: Paths, monkeypatch: pytest.MonkeyPatch):
    some(paths)
    first = History(paths, Settings)
    looked(first)
    first.close()
    monkeypatch.setattr("backend.history.read_facts", lambda path: pytest.fail(f"{path} is read"))
    second = History(paths, Settings)
    second.look()
    assert second.unread == 0 and len(names(second, search="cat")) == 2
    second.close()


def test_what_is_no_picture_is_shown_as_such_and_read_once(paths: Paths, history: History, caplog: pytest.LogCaptureFixture):
    path = paths.outputs / "a/broken.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no picture")
    facts = looked(history).find(Query()).pictures[0].facts
    assert facts is not None and facts.width == 0
    assert history.thumbnail("outputs/a/broken.png") is None
    assert "broken.png" in caplog.text
    with pytest.raises(WebUIError):
        history.about("outputs/a/broken.png")


def test_only_the_configured_folders_count_and_no_link_leads_out_of_them(paths: Paths, tmp_path: Path):
    secret = save(tmp_path / "elsewhere/secret.png", CAT)
    mine = save(tmp_path / "mine/1.png", CAT)
    some(paths)
    (paths.outputs / "link.png").symlink_to(secret)
    (paths.outputs / "linked").symlink_to(secret.parent)
    save(paths.outputs / ".hidden/2.png")
    (paths.outputs / "notes.txt").write_text("no picture")
    history = History(paths, lambda: Settings().override({"outdir_samples": str(mine.parent)}))
    looked(history)
    assert len(names(history)) == 4 and names(history, folder="mine") == ["mine/1.png"]
    mine.unlink()
    mine.symlink_to(secret)
    with pytest.raises(NotFound):
        history.file("mine/1.png")
    history.close()


def test_a_folder_that_holds_the_program_is_left_out(paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    folders = output_folders(paths, (".", str(tmp_path.parent)))
    assert [folder.name for folder in folders] == ["outputs"] and "leaves out" in caplog.text


def test_what_is_wrong_with_a_folder_is_told_once_and_a_changed_setting_counts_at_once(paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    outdirs = {"outdir_samples": "."}
    history = History(paths, lambda: Settings().override(outdirs))
    for _ in range(3):
        history.look()
    assert caplog.text.count("leaves out") == 1
    save(tmp_path / "mine/1.png")
    outdirs["outdir_samples"] = "mine"
    assert names(looked(history)) == ["mine/1.png"]
    history.close()


def test_folders_of_one_name_are_told_apart(paths: Paths, tmp_path: Path):
    far = [tmp_path.parent / f"{tmp_path.name}-{side}" / "pictures" for side in "ab"]
    folders = output_folders(paths, (str(far[0]), str(far[1]), "pictures"))
    assert {folder.name for folder in folders} == {"outputs", "pictures", "pictures (2)", "pictures (3)"}


def test_deleting_takes_the_file_and_its_small_picture_and_nothing_else(paths: Paths, history: History):
    some(paths)
    name = "outputs/txt2img-images/2026-01-01/00000-77.png"
    beside = (paths.outputs / name[len("outputs/") :]).with_suffix(".txt")
    beside.write_text(CAT)
    small = looked(history).thumbnail(name)
    assert small is not None and small.is_file()
    history.remove(name)
    assert not (paths.outputs / name[len("outputs/") :]).exists() and beside.exists()
    assert len(names(history)) == 2
    wait_until(lambda: not small.exists())
    with pytest.raises(NotFound):
        history.remove(name)


def test_what_is_remembered_of_files_that_are_gone_is_forgotten_but_not_of_a_drive_that_is_away(paths: Paths, tmp_path: Path):
    some(paths)
    drive = tmp_path / "drive"
    save(drive / "1.png", BOAT)
    settings = Settings().override({"outdir_samples": str(drive)})
    first = History(paths, lambda: settings)
    looked(first)
    first.close()
    (paths.outputs / "txt2img-grids/grid-0000.webp").unlink()
    drive.rename(tmp_path / "away")
    second = History(paths, lambda: settings)
    second.look()
    wait_until(lambda: not second._gone)
    second.close()
    (tmp_path / "away").rename(drive)
    third = History(paths, lambda: settings)
    third.look()
    assert third.unread == 0 and len(names(third)) == 3 and len(third._facts) == 3
    third.close()


STRANGE = ['a "\\ud800" cat\nSteps: 1, Sampler: "x\\ud800", Model: "\\ud800", Seed: 1', "\0", "Negative prompt:", '\n"' * 50, "<lora:a\ud800:1>"]


@pytest.mark.parametrize("infotext", STRANGE)
def test_whatever_a_picture_says_it_is_listed_and_kept(paths: Paths, history: History, infotext: str):
    save(paths.outputs / "a/1.png", infotext)
    found = looked(history).find(Query()).pictures
    history.close()
    again = History(paths, Settings)
    again.look()
    assert [picture.facts for picture in again.find(Query()).pictures] == [picture.facts for picture in found]
    again.close()


def test_no_other_name_finds_anything(paths: Paths, history: History):
    some(paths)
    draw, known = random.Random(5), names(looked(history))
    parts = ["..", ".", "", "outputs", "txt2img-images", "2026-01-01", "00000-77.png", "/", "\\", "%2e%2e", "\0", "~", "C:", "\ud800", "models", "config.json"]
    for _ in range(500):
        name = draw.choice(["/", "\\", "//"]).join(draw.choices(parts, k=draw.randint(1, 6)))
        if name not in known:
            with pytest.raises(NotFound):
                history.file(name)


def test_a_picture_of_the_service_is_there_at_the_next_look(tmp_path: Path):
    service = open_service(tmp_path)
    service.history.look()
    service.submit(ask("a cat <lora:ink:1>", batch_size=2)).wait(20)
    found = looked(service.history).find(Query(lora="ink"))
    assert len(found.pictures) == 3 and {picture.folder for picture in found.pictures} == {"outputs/txt2img-images", "outputs/txt2img-grids"}
    assert found.pictures[0].facts is not None and found.pictures[0].facts.loras[0][1] != ""
    service.close()


def test_pictures_are_read_also_while_another_one_is_drawn(paths: Paths):
    some(paths)
    history = History(paths, Settings, busy=lambda: True)
    assert len(names(looked(history), search="cat")) == 2
    history.close()
