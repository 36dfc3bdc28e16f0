"""What always-on scripts may do to a job beyond the plain walk, and what happens when one fails."""

from pathlib import Path

from PIL import Image

from backend.hooks import hookimpl
from backend.infotext import read
from backend.prompts.expansion import PromptContext, PromptTexts
from backend.request import Hires, InitImage, Inpaint, ScriptCall
from tests.backend.stage import ask
from tests.backend.test_service import PATIENCE
from tests.extensions.a1111_scripts.carried import carrying, load, write

BEGINNING = """
from modules import scripts, shared
class Mine(scripts.Script):
    def title(self):
        return "Mine"
    def show(self, is_img2img):
        return scripts.AlwaysVisible
"""


def drawn(tmp_path: Path, body: str, *, settings: dict | None = None, **fields):
    write(tmp_path, "mine", mine=BEGINNING + body)
    with carrying(tmp_path, return_grid=False, grid_save=False, **(settings or {})) as service:
        return service.submit(ask(**fields)).wait(PATIENCE)


def told(task, label: str) -> list[str | None]:
    return [read(image.infotext).get(label) for image in task.images]


def test_seeds_of_ones_own_are_drawn_in_their_order(tmp_path: Path):
    task = drawn(tmp_path, "    def process(self, p):\n        p.all_seeds = [50, 3, 4]\n", n_iter=1, batch_size=3)
    assert (task.error, told(task, "Seed")) == (None, ["50", "3", "4"])


def test_more_pictures_may_be_asked_for(tmp_path: Path):
    body = "    def process(self, p):\n        p.n_iter, p.all_prompts = 3, ['x', 'y', 'z']\n        p.all_negative_prompts = ['n'] * 3\n"
    body += "        p.all_seeds, p.all_subseeds = [7, 7, 7], [1, 1, 1]\n"
    task = drawn(tmp_path, body)
    assert (task.error, told(task, "Prompt"), told(task, "Seed"), told(task, "Negative prompt")) == (None, ["x", "y", "z"], ["7"] * 3, ["n"] * 3)


def test_an_emptied_list_of_prompts_ends_the_job(tmp_path: Path):
    task = drawn(tmp_path, "    def before_process_batch(self, p, batch_number, prompts, **named):\n        if batch_number == 1: prompts.clear()\n", n_iter=3)
    assert (task.state, task.error, len(task.images)) == ("done", None, 1)


def test_settings_are_overridden_before_the_job(tmp_path: Path):
    task = drawn(tmp_path, "    def before_process(self, p):\n        p.override_settings['CLIP_stop_at_last_layers'] = 3\n        p.width = 24\n")
    assert (told(task, "Clip skip"), task.images[0].image.size) == (["3"], (24, 8))


def test_a_setting_that_a_script_sets_holds_for_what_is_drawn(tmp_path: Path):
    task = drawn(tmp_path, "    def process(self, p):\n        shared.opts.CLIP_stop_at_last_layers = 4\n")
    assert told(task, "Clip skip") == ["4"]


def test_styles_are_in_the_prompts_that_scripts_see_and_come_once(tmp_path: Path):
    task = drawn(tmp_path, "    def process(self, p):\n        p.all_prompts = [text + '!' for text in p.all_prompts]\n", styles=("Cinematic",))
    assert told(task, "Prompt") == ["cinematic still, a cat, film grain!"] and told(task, "Negative prompt") == ["cartoon"]


def test_hires_prompts_are_the_scripts_to_change(tmp_path: Path):
    task = drawn(tmp_path, "    def process(self, p):\n        p.all_hr_prompts = ['sharper']\n", hires=Hires(scale=2))
    assert (task.error, told(task, "Hires prompt"), told(task, "Hires upscale")) == (None, ["sharper"], ["2"])


def test_the_list_of_a_batch_may_grow_and_shrink(tmp_path: Path):
    body = "    def postprocess_batch_list(self, p, pp, batch_number):\n        pp.images = [pp.images[1], pp.images[1], pp.images[0]]\n"
    body += "        p.prompts, p.seeds = ['b', 'b', 'a'], [8, 8, 7]\n        p.negative_prompts = [''] * 3\n"
    task = drawn(tmp_path, body, batch_size=2)
    assert (task.error, told(task, "Seed"), told(task, "Prompt")) == (None, ["8", "8", "7"], ["b", "b", "a"])


def test_the_pixels_of_a_batch_are_refused_with_what_there_is_instead(tmp_path: Path):
    task = drawn(tmp_path, "    def postprocess_batch(self, p, images, batch_number):\n        images[0][:] = 1\n        images[0].mul_(2)\n")
    assert task.state == "done" and len(task.images) == 1
    assert any("postprocess_image" in comment and comment.startswith("Error: ") for comment in task.comments)


def test_one_that_fails_is_named_and_the_picture_and_the_others_go_on(tmp_path: Path):
    write(tmp_path, "fine", fine=BEGINNING.replace("Mine", "Fine") + "    def process(self, p):\n        p.extra_generation_params['Fine'] = 'yes'\n")
    task = drawn(tmp_path, "    def process(self, p):\n        raise ValueError('no')\n")
    assert (task.state, told(task, "Fine")) == ("done", ["yes"])
    assert any("mine" in comment and "ValueError: no" in comment for comment in task.comments)


def test_what_postprocess_adds_is_shown(tmp_path: Path):
    body = "    def postprocess(self, p, processed):\n        processed.images.append(processed.images[0].rotate(90, expand=True))\n"
    body += "        processed.infotexts.append('turned')\n"
    task = drawn(tmp_path, body)
    assert [(image.image.size, image.infotext.startswith("turned")) for image in task.images] == [((16, 8), False), ((8, 16), True)]


class Native:
    """An extension of the program's own kind: a syntax of prompts, and a script that draws twice."""

    title, tabs = "Pair", ("txt2img", "img2img")

    def controls(self, tab, catalog, settings):
        return []

    def run(self, request, values, session):
        for side in ("left", "right"):
            session.draw(request, extra={"Side": side})

    @hookimpl
    def scripts(self):
        return [self]

    @hookimpl
    def expand_prompts(self, context: PromptContext):
        return PromptTexts(prompt=context.prompt.replace("$", "dollar"), negative_prompt=context.negative_prompt)


BODY = "    def process(self, p):\n        p.extra_generation_params['Mine'] = 'yes'\n"


def test_native_scripts_and_syntaxes_work_with_them(tmp_path: Path):
    write(tmp_path, "mine", mine=BEGINNING + BODY)
    with carrying(tmp_path, beside=Native(), return_grid=False) as service:
        task = service.submit(ask("a $", script=ScriptCall(title="pair"))).wait(PATIENCE)
    assert (task.error, told(task, "Prompt"), told(task, "Mine"), told(task, "Side")) == (None, ["a dollar"] * 2, ["yes"] * 2, ["left", "right"])


def test_what_comes_beside_a_picture_is_saved_and_shown_as_without_them(tmp_path: Path):
    mask = Image.new("L", (16, 8), "white")
    init = InitImage(images=(Image.new("RGB", (16, 8), "red"),), inpaint=Inpaint(mask=mask))
    settings = {"return_mask": True, "save_mask": True, "save_init_img": True}
    found = []
    for name, code in (("without", ""), ("with", BEGINNING + BODY)):
        write(tmp_path / name, "mine", mine=code)
        with carrying(tmp_path / name, return_grid=False, grid_save=False, **settings) as service:
            task = service.submit(ask(init=init)).wait(PATIENCE)
        files = sorted(file.relative_to(tmp_path / name).as_posix() for file in (tmp_path / name / "outputs").rglob("*.png"))
        found.append((files, [(image.beside, image.path and image.path.name) for image in task.images], told(task, "Mine")[0]))
    (bare, shown, _), (carried, also, mine) = found
    assert (carried, also, mine) == (bare, shown, "yes") and len(bare) > 1


def test_nothing_is_looked_at_while_the_setting_is_off(tmp_path: Path):
    write(tmp_path, "mine", mine="raise SystemExit('run')\n")
    hooks = load(tmp_path, on=False)
    assert (hooks.problems, hooks.parts("txt2img"), hooks.scripts("txt2img")) == ((), (), ())


def test_one_that_cannot_be_imported_is_named_and_the_others_load(tmp_path: Path):
    write(tmp_path, "bad", bad="1 / 0\n")
    write(tmp_path, "good", good=BEGINNING)
    hooks = load(tmp_path)
    assert [(problem.extension, problem.where) for problem in hooks.problems] == [("bad", "bad.py")]
    assert [owned.of.title for owned in hooks.parts("txt2img")] == ["Mine"]
