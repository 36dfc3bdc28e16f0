"""Samplers and schedule types of extensions: what is taken, where their names are known, and what the job carries."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.controls import Control, choices
from backend.errors import WebUIError
from backend.infotext import read
from backend.paste import paste
from backend.request import GenerationRequest, Hires, Sampling
from backend.sampling.names import SAMPLERS, SCHEDULERS
from backend.workers.local import LocalWorker
from extensions.xyz_plot import axes
from tests.backend.extension_files import load, write_extension
from tests.backend.stage import ask, open_service
from tests.backend.test_service import PATIENCE
from tests.backend.workers.fake_engine import FakeEngine

CODE = """
from backend.hooks import hookimpl
from backend.sampling.names import SamplerInfo, SchedulerInfo
from backend.settings import Setting

@hookimpl
def settings():
    return [Setting(key="drift_by", default=0.25, label="Drift", section="Drift", infotext="Drift by")]

@hookimpl
def samplers():
    target = "extensions.drift.engine:drift"
    return [SamplerInfo(label="Drift", aliases=("k_drift",), scheduler="Steep", second_order=True, target=target, settings=("drift_by",))]

@hookimpl
def schedulers():
    return [SchedulerInfo(name="steep", label="Steep", target="extensions.drift.engine:steep")]
"""
ONE = """
from backend.hooks import hookimpl
from backend.sampling.names import SamplerInfo, SchedulerInfo

@hookimpl
def {hook}():
    return {given}
"""
T = 'target="extensions.one.engine:draw"'


class Drifting:
    """A service over the extension, and the jobs that its engine was given."""

    def __init__(self, folder: Path) -> None:
        write_extension(folder, "drift", CODE)
        self.engine, hooks = FakeEngine(), load(folder)
        assert hooks.problems == ()
        self.service = open_service(folder, LocalWorker(self.engine), hooks)
        self.service.settings.declare(hooks.settings)


@pytest.fixture
def drifting(tmp_path: Path) -> Iterator[Drifting]:
    opened = Drifting(tmp_path)
    yield opened
    opened.service.close()


def asking(sampler: str, scheduler: str = "Automatic", **more: Any) -> GenerationRequest:
    return replace(ask(**more), sampling=Sampling(sampler=sampler, scheduler=scheduler, steps=3))


def test_the_job_carries_what_the_engine_needs_and_the_infotext_leads_back(drifting: Drifting):
    service = drifting.service
    (image,) = service.submit(asking("K_DRIFT", override_settings={"drift_by": 0.75})).wait(PATIENCE).images
    options = drifting.engine.jobs[0].sampling
    assert options.added_sampler and options.added_scheduler
    assert (options.added_sampler.target, options.added_sampler.extension) == ("extensions.drift.engine:drift", "drift")
    assert (options.sampler, options.scheduler, options.added_scheduler.label) == ("Drift", "Steep", "Steep")
    assert options.added_settings == {"drift_by": 0.75}
    labels = read(image.infotext)
    assert (labels["Sampler"], labels["Schedule type"], labels["Drift by"]) == ("Drift", "Steep", "0.75")
    values = paste(image.infotext, service.settings.current, service.catalog)
    assert (values["sampler_name"], values["scheduler"], values["override_settings"]["drift_by"]) == ("Drift", "Steep", 0.75)


def test_the_hires_pass_and_old_names_know_it(drifting: Drifting):
    (image,) = drifting.service.submit(asking("Euler steep", hires=Hires(sampler="drift", upscaler="Latent"))).wait(PATIENCE).images
    job = drifting.engine.jobs[0]
    assert job.hires and job.hires.sampling.added_sampler and job.sampling.added_sampler is None
    assert job.sampling.added_scheduler and job.sampling.scheduler == "Steep"
    labels = read(image.infotext)
    assert (labels["Hires sampler"], labels["Schedule type"], labels["Drift by"]) == ("Drift", "Steep", "0.25")


def test_controls_and_the_axes_of_a_plot_offer_it(drifting: Drifting):
    catalog, settings = drifting.service.catalog, drifting.service.settings.current
    for kind, name in (("sampler", "Drift"), ("scheduler", "Steep")):
        assert name in choices(Control(key="one", kind="dropdown", label="One", choices_of=kind), catalog)
    for axis, name in (("Sampler", "Drift"), ("Hires sampler", "Drift"), ("Schedule type", "Steep")):
        offer = axes.find("txt2img", axis).offer
        assert offer and offer(catalog, settings)[-1] == name


def test_one_that_is_switched_off_is_gone_and_the_refusal_says_where_it_may_be(tmp_path: Path):
    write_extension(tmp_path, "drift", CODE, "[Extension]\nName = Drifting along\n")
    names = load(tmp_path, disabled_extensions=["drift"]).added.sampling
    assert names.samplers == SAMPLERS
    with pytest.raises(WebUIError, match=r"^Unknown sampler 'Drift'. Known: DPM\+\+ 2M, .*not running may have more: Drifting along.$"):
        names.sampler("Drift")
    with pytest.raises(WebUIError, match=r"^Unknown schedule type 'Steep'\. .*Drifting along\.$"):
        names.scheduler("Steep")


@pytest.mark.parametrize(
    ("hook", "given", "problem"),
    [
        ("samplers", f'[SamplerInfo(label="Mine", aliases=("K_EULER",), {T})]', "Sampler 'Mine': the name 'K_EULER' is taken by the program itself."),
        (
            "samplers",
            f'[SamplerInfo(label="Euler Karras", aliases=(), {T})]',
            "Sampler 'Euler Karras': the name 'Euler Karras' is taken by the program itself.",
        ),
        ("samplers", f'[SamplerInfo(label="Mine", aliases=(), {T}), SamplerInfo(label="mine", aliases=(), {T})]', "'mine' is taken by one."),
        ("samplers", '[SamplerInfo(label="Mine", aliases=())]', "a target such as"),
        ("samplers", f'[SamplerInfo(label="Mine", aliases=(), timesteps=True, {T})]', "one that walks along sigmas is needed"),
        ("samplers", f'[SamplerInfo(label="Mine", aliases=(), scheduler="NoSuch", {T})]', "there is no schedule type 'NoSuch'"),
        ("samplers", f'[SamplerInfo(label="Mine", aliases=(), settings=("nosuch",), {T})]', "there is no setting 'nosuch'"),
        ("samplers", f'[SamplerInfo(label=" ", aliases=(), {T})]', "a name in one line is needed"),
        ("samplers", "[7]", "int instead of SamplerInfo"),
        ("samplers", "7", "TypeError"),
        ("schedulers", f'[SchedulerInfo(name="mine", label="karras", {T})]', "Schedule type 'karras': the name 'karras' is taken by the program itself."),
        ("schedulers", '["mine"]', "str instead of SchedulerInfo"),
    ],
)
def test_what_cannot_be_taken_is_named_and_left_out(tmp_path: Path, hook: str, given: str, problem: str):
    write_extension(tmp_path, "one", ONE.format(hook=hook, given=given))
    hooks = load(tmp_path)
    (found,) = hooks.problems or [None]
    assert found and (found.extension, found.where) == ("one", hook) and problem in found.error
    assert len(hooks.added.sampling.samplers) == len(SAMPLERS) + ("'mine' is" in problem) and hooks.added.sampling.schedulers == SCHEDULERS
