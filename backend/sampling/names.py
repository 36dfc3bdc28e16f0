"""SAMPLERS, SCHEDULERS and LATENT_UPSCALE_MODES: A1111's names, aliases and facts, in its order; SamplingNames: those, and what extensions add.

Text only: the page reads this without torch.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from backend.errors import WebUIError

EtaSetting = Literal["eta_ancestral", "eta_ddim"]

CHURN = ("s_churn", "s_tmin", "s_tmax", "s_noise")


@dataclass(frozen=True, kw_only=True)
class SamplerInfo:
    """One algorithm that draws; label is the name on the page. target: of an extension's, "extensions.my_extension.engine:function"; "" = the program's own."""

    label: str
    aliases: tuple[str, ...]
    scheduler: str | None = None  # label of the schedule that "Automatic" stands for; None: Uniform, and A1111 goes on calling it Automatic
    eta: EtaSetting | None = None  # the setting that SamplingOptions.eta comes from; None: it has no eta
    noise_options: tuple[str, ...] = ()  # which of CHURN it reads
    timesteps: bool = False  # True: walks over timesteps and ignores the schedule
    discard_next_to_last: bool = False
    uses_ensd: bool = False  # A1111 shows ENSD in the infotext
    second_order: bool = False  # two U-Net calls per step: prompt editing counts twice the steps
    brownian: bool = False
    solver_type: str | None = None
    target: str = ""
    settings: tuple[str, ...] = ()  # keys of settings whose values the function gets
    extension: str = ""  # filled in by the program

    @property
    def options(self) -> dict[str, str]:
        """As in the answer of /sdapi/v1/samplers."""
        flags = {
            "discard_next_to_last_sigma": self.discard_next_to_last,
            "uses_ensd": self.uses_ensd,
            "second_order": self.second_order,
            "brownian_noise": self.brownian,
        }
        schedule = {"scheduler": self.scheduler.lower()} if self.scheduler else {}
        solver = {"solver_type": self.solver_type} if self.solver_type else {}
        return schedule | {name: "True" for name, on in flags.items() if on} | solver


@dataclass(frozen=True, kw_only=True)
class SchedulerInfo:
    """One spacing of the noise levels. default_rho -1: it has no rho. target: as with samplers."""

    name: str
    label: str
    aliases: tuple[str, ...] = ()
    default_rho: float = -1.0
    need_inner_model: bool = False
    target: str = ""
    settings: tuple[str, ...] = ()
    extension: str = ""


ANCESTRAL: EtaSetting = "eta_ancestral"
DDIM: EtaSetting = "eta_ddim"
S_NOISE = ("s_noise",)

SAMPLERS = (
    SamplerInfo(label="DPM++ 2M", aliases=("k_dpmpp_2m",), scheduler="Karras"),
    SamplerInfo(label="DPM++ SDE", aliases=("k_dpmpp_sde",), scheduler="Karras", eta=ANCESTRAL, noise_options=S_NOISE, second_order=True, brownian=True),
    SamplerInfo(label="DPM++ 2M SDE", aliases=("k_dpmpp_2m_sde",), scheduler="Exponential", eta=ANCESTRAL, noise_options=S_NOISE, brownian=True),
    SamplerInfo(
        label="DPM++ 2M SDE Heun",
        aliases=("k_dpmpp_2m_sde_heun",),
        scheduler="Exponential",
        eta=ANCESTRAL,
        noise_options=S_NOISE,
        brownian=True,
        solver_type="heun",
    ),
    SamplerInfo(label="DPM++ 2S a", aliases=("k_dpmpp_2s_a",), scheduler="Karras", eta=ANCESTRAL, noise_options=S_NOISE, uses_ensd=True, second_order=True),
    SamplerInfo(
        label="DPM++ 3M SDE",
        aliases=("k_dpmpp_3m_sde",),
        scheduler="Exponential",
        eta=ANCESTRAL,
        noise_options=S_NOISE,
        discard_next_to_last=True,
        brownian=True,
    ),
    SamplerInfo(label="Euler a", aliases=("k_euler_a", "k_euler_ancestral"), eta=ANCESTRAL, uses_ensd=True),
    SamplerInfo(label="Euler", aliases=("k_euler",), noise_options=CHURN),
    SamplerInfo(label="LMS", aliases=("k_lms",)),
    SamplerInfo(label="Heun", aliases=("k_heun",), noise_options=CHURN, second_order=True),
    SamplerInfo(label="DPM2", aliases=("k_dpm_2",), scheduler="Karras", noise_options=CHURN, discard_next_to_last=True, second_order=True),
    SamplerInfo(
        label="DPM2 a",
        aliases=("k_dpm_2_a",),
        scheduler="Karras",
        eta=ANCESTRAL,
        noise_options=S_NOISE,
        discard_next_to_last=True,
        uses_ensd=True,
        second_order=True,
    ),
    SamplerInfo(label="DPM fast", aliases=("k_dpm_fast",), eta=ANCESTRAL, noise_options=S_NOISE, uses_ensd=True),
    SamplerInfo(label="DPM adaptive", aliases=("k_dpm_ad",), eta=ANCESTRAL, uses_ensd=True),
    SamplerInfo(label="Restart", aliases=("restart",), scheduler="Karras", second_order=True),
    SamplerInfo(label="DDIM", aliases=("ddim",), eta=DDIM, timesteps=True),
    SamplerInfo(label="DDIM CFG++", aliases=("ddim_cfgpp",), eta=DDIM, timesteps=True),
    SamplerInfo(label="PLMS", aliases=("plms",), timesteps=True),
    SamplerInfo(label="UniPC", aliases=("unipc",), timesteps=True),
    SamplerInfo(label="LCM", aliases=("k_lcm",)),
)

SCHEDULERS = (
    SchedulerInfo(name="automatic", label="Automatic"),
    SchedulerInfo(name="uniform", label="Uniform", need_inner_model=True),
    SchedulerInfo(name="karras", label="Karras", default_rho=7.0),
    SchedulerInfo(name="exponential", label="Exponential"),
    SchedulerInfo(name="polyexponential", label="Polyexponential", default_rho=1.0),
    SchedulerInfo(name="sgm_uniform", label="SGM Uniform", aliases=("SGMUniform",), need_inner_model=True),
    SchedulerInfo(name="kl_optimal", label="KL Optimal"),
    SchedulerInfo(name="align_your_steps", label="Align Your Steps"),
    SchedulerInfo(name="simple", label="Simple", need_inner_model=True),
    SchedulerInfo(name="normal", label="Normal", need_inner_model=True),
    SchedulerInfo(name="ddim", label="DDIM", need_inner_model=True),
    SchedulerInfo(name="beta", label="Beta", need_inner_model=True),
    SchedulerInfo(name="turbo", label="Turbo", need_inner_model=True),  # Forge's, not A1111's
)


@dataclass(frozen=True, kw_only=True)
class LatentUpscaleMode:
    """How a latent is made larger for the hires pass. mode, antialias: torch's names."""

    label: str
    mode: str
    antialias: bool


LATENT_UPSCALE_MODES = (
    LatentUpscaleMode(label="Latent", mode="bilinear", antialias=False),
    LatentUpscaleMode(label="Latent (antialiased)", mode="bilinear", antialias=True),
    LatentUpscaleMode(label="Latent (bicubic)", mode="bicubic", antialias=False),
    LatentUpscaleMode(label="Latent (bicubic antialiased)", mode="bicubic", antialias=True),
    LatentUpscaleMode(label="Latent (nearest)", mode="nearest", antialias=False),
    LatentUpscaleMode(label="Latent (nearest-exact)", mode="nearest-exact", antialias=False),
)


def find_latent_upscale_mode(name: str) -> LatentUpscaleMode | None:
    return next((mode for mode in LATENT_UPSCALE_MODES if mode.label == name), None)


@dataclass(frozen=True, kw_only=True)
class SamplingNames:
    """All samplers and schedulers that there are. off: extensions that could have brought more, and are switched off or not loaded."""

    samplers: tuple[SamplerInfo, ...] = SAMPLERS
    schedulers: tuple[SchedulerInfo, ...] = SCHEDULERS
    off: tuple[str, ...] = ()

    @property
    def sampler_labels(self) -> tuple[str, ...]:
        return tuple(info.label for info in self.samplers)

    @property
    def scheduler_labels(self) -> tuple[str, ...]:
        return tuple(info.label for info in self.schedulers)

    def find_sampler(self, name: str) -> SamplerInfo | None:
        """By label or alias in any case, also by an old name with its schedule: "DPM++ 2M Karras"."""
        return self._sampler(name) or self._sampler(self.split_old_name(name)[0])

    def find_scheduler(self, name: str) -> SchedulerInfo | None:
        """By label, name or alias in any case."""
        return next((info for info in self.schedulers if _same(name, _scheduler_names(info))), None)

    def sampler(self, name: str) -> SamplerInfo:
        """As find_sampler. Raises WebUIError, with the known ones, for one that is none."""
        info = self.find_sampler(name)
        if info is None:
            raise WebUIError(f"Unknown sampler {name!r}. Known: {', '.join(self.sampler_labels)}.{self._perhaps}")
        return info

    def scheduler(self, name: str) -> SchedulerInfo:
        """As find_scheduler. Raises WebUIError likewise."""
        info = self.find_scheduler(name)
        if info is None:
            raise WebUIError(f"Unknown schedule type {name!r}. Known: {', '.join(self.scheduler_labels)}.{self._perhaps}")
        return info

    def split_old_name(self, name: str) -> tuple[str, str | None]:
        """Before A1111 1.9 the schedule was part of the sampler's name: "DPM++ 2M Karras" → ("DPM++ 2M", "Karras"); "Euler" → ("Euler", None)."""
        if self._sampler(name):
            return name, None
        for scheduler in self.schedulers:
            for ending in _scheduler_names(scheduler):
                sampler = self._sampler(name[: -len(ending) - 1])
                if sampler and name.lower().endswith(f" {ending.lower()}"):
                    return sampler.label, scheduler.label
        return name, None

    def _sampler(self, name: str) -> SamplerInfo | None:
        return next((info for info in self.samplers if _same(name, (info.label, *info.aliases))), None)

    @property
    def _perhaps(self) -> str:
        return f" Extensions that are not running may have more: {', '.join(self.off)}." if self.off else ""


BUILT_IN = SamplingNames()


def _scheduler_names(info: SchedulerInfo) -> tuple[str, ...]:
    return (info.label, info.name, *info.aliases)


def _same(name: str, names: Iterable[str]) -> bool:
    return name.lower() in {known.lower() for known in names}
