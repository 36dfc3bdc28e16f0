from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from backend.catalog import Catalog
from backend.controls import from_positions
from backend.infotext import read
from backend.job import EngineCall
from backend.request import InitImage
from backend.service import GenerationService
from backend.settings import Settings
from backend.workers.local import LocalWorker
from extensions.img2img_alternative.extension import FOUND, Img2ImgAlternative
from tests.backend.planned import CATALOG
from tests.backend.stage import ask
from tests.backend.workers.fake_engine import FakeEngine
from tests.extensions.running import run, running

PICTURE = Image.linear_gradient("L").resize((16, 8)).convert("RGB")
TITLE = "img2img alternative test"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def service(tmp_path: Path, engine: FakeEngine) -> Iterator[GenerationService]:
    with running(tmp_path, "img2img_alternative", LocalWorker(engine)) as (service, _):
        yield service


def values_of(*args: object, catalog: Catalog = CATALOG) -> dict[str, object]:
    return dict(from_positions(Img2ImgAlternative().controls("img2img", catalog, Settings()), list(args), catalog))


def test_a1111s_arguments_override_what_they_say(service: GenerationService, engine: FakeEngine):
    values = values_of("", True, True, "a cat", "bad", True, 6, True, 1.5, 0.25, True)
    task = run(service, TITLE, ask("a dog", steps=3, denoising_strength=0.5, init=InitImage(images=(PICTURE,))), **values)
    assert (task.error, task.state) == (None, "done")
    (job,) = engine.jobs
    assert (job.prompts, job.negative_prompts, job.sampling.sampler, job.sampling.steps) == (("a cat",), ("bad",), "Euler", 6)
    assert job.init is not None and job.init.denoising_strength == 1
    options = {"original_prompt": "a cat", "original_negative_prompt": "bad", "cfg_scale": 1.5, "steps": 6, "randomness": 0.25, "sigma_adjustment": True}
    assert job.calls == (EngineCall(at="start", target=FOUND, options=options, extension="img2img_alternative"),)
    expected = {
        "Decode prompt": "a cat",
        "Decode negative prompt": "bad",
        "Decode CFG scale": "1.5",
        "Decode steps": "6",
        "Randomness": "0.25",
        "Sigma Adjustment": "True",
    }
    assert expected.items() <= read(task.images[0].infotext).items()


def test_what_is_not_overridden_stays(service: GenerationService, engine: FakeEngine):
    asked = ask("a dog", steps=3, denoising_strength=0.5, init=InitImage(images=(PICTURE,)))
    run(service, TITLE, asked, override_prompt=False, override_steps=False, override_strength=False)
    (job,) = engine.jobs
    assert (job.prompts, job.sampling.steps) == (("a dog",), 3)
    assert job.init is not None and job.init.denoising_strength == 0.5


def test_without_a_picture_it_says_so(service: GenerationService):
    assert run(service, TITLE, ask(init=InitImage(images=()))).error == "There is no picture to start from."
