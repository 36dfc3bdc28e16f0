"""What LoRAs for few steps (TCD, Hyper-SD, LCM, Turbo) are drawn with: the sampler TCD, the schedule types TCD and Linear Quadratic."""

from collections.abc import Sequence

from backend.hooks import hookimpl
from backend.sampling.names import SamplerInfo, SchedulerInfo
from backend.settings import Setting

ENGINE = "extensions.acceleration_samplers.engine"
GAMMA = "tcd_gamma"


@hookimpl
def settings() -> Sequence[Setting]:
    return [
        Setting(
            key=GAMMA,
            default=0.3,
            label="Gamma of TCD",
            section="Sampler parameters",
            info="how much noise is drawn anew at each step: 0 none, 1 all of it. More steps want more",
            infotext="TCD gamma",
            minimum=0,
            maximum=1,
            step=0.01,
        )
    ]


@hookimpl
def samplers() -> Sequence[SamplerInfo]:
    return [SamplerInfo(label="TCD", aliases=("k_tcd", "tcd"), scheduler="TCD", target=f"{ENGINE}:tcd", settings=(GAMMA,))]


@hookimpl
def schedulers() -> Sequence[SchedulerInfo]:
    return [
        SchedulerInfo(name="tcd", label="TCD", need_inner_model=True, target=f"{ENGINE}:distilled"),
        SchedulerInfo(name="linear_quadratic", label="Linear Quadratic", target=f"{ENGINE}:linear_quadratic"),
    ]
