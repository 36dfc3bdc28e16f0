"""How a pass is sampled: asked fields and settings → the sampler, its schedule, and SamplingOptions."""

from typing import Any

from backend.job import SamplingOptions
from backend.request import Sampling
from backend.sampling.names import CHURN, SamplerInfo, SamplingNames, SchedulerInfo
from backend.settings import Settings

AUTOMATIC = "Automatic"


def choose_sampler(asked: Sampling, names: SamplingNames) -> tuple[SamplerInfo, SchedulerInfo]:
    """The sampler, and its schedule as A1111 shows it. Aliases and names from before 1.9 ("DPM++ 2M Karras") are known too. Raises WebUIError."""
    old_schedule = names.split_old_name(asked.sampler)[1]
    sampler, scheduler = names.sampler(asked.sampler), names.scheduler(asked.scheduler)
    if scheduler.label != AUTOMATIC:
        return sampler, scheduler
    return sampler, names.scheduler(old_schedule or sampler.scheduler or AUTOMATIC)


def sampling_options(asked: Sampling, settings: Settings, sampler: SamplerInfo, scheduler: SchedulerInfo) -> SamplingOptions:
    """All that is None is as the settings say."""

    def decided(name: str) -> Any:
        return settings[name] if getattr(asked, name) is None else getattr(asked, name)

    return SamplingOptions(
        sampler=sampler.label,
        scheduler="Uniform" if scheduler.label == AUTOMATIC else scheduler.label,
        steps=asked.steps,
        cfg_scale=asked.cfg_scale,
        eta=asked.eta if asked.eta is not None else settings[sampler.eta or "eta_ancestral"],
        **{name: decided(name) for name in (*CHURN, "s_min_uncond")},
        s_min_uncond_all=settings["s_min_uncond_all"],
        skip_early_cond=settings["skip_early_cond"],
        sigma_min=settings["sigma_min"],
        sigma_max=settings["sigma_max"],
        rho=settings["rho"],
        old_karras_sigmas=settings["use_old_karras_scheduler_sigmas"],
        discard_next_to_last_sigma=settings["always_discard_next_to_last_sigma"],
        sgm_noise_multiplier=settings["sgm_noise_multiplier"],
        beta_alpha=settings["beta_dist_alpha"],
        beta_beta=settings["beta_dist_beta"],
        quantize_timesteps=settings["enable_quantization"],
        uni_pc_variant=settings["uni_pc_variant"],
        uni_pc_skip_type=settings["uni_pc_skip_type"],
        uni_pc_order=settings["uni_pc_order"],
        uni_pc_lower_order_final=settings["uni_pc_lower_order_final"],
        ensd=settings["eta_noise_seed_delta"],
        noise_source=settings["randn_source"],
        brownian_per_image=not settings["no_dpmpp_sde_batch_determinism"],
        batch_cond_uncond=settings["batch_cond_uncond"],
        pad_cond_uncond=settings["pad_cond_uncond"],
        pad_cond_uncond_v0=settings["pad_cond_uncond_v0"],
        zero_terminal_snr=settings["sd_noise_schedule"] == "Zero Terminal SNR",
        downcast_alphas=settings["use_downcasted_alpha_bar"],
        added_sampler=sampler if sampler.target else None,
        added_scheduler=scheduler if scheduler.target else None,
        added_settings={key: settings[key] for key in (*sampler.settings, *scheduler.settings)},
    )


def told_settings(options: SamplingOptions, settings: Settings) -> dict[str, str]:
    """What the infotext says of the settings of an extension's sampler or scheduler."""
    labels = {key: setting.infotext for key, setting in settings.declared.items()}
    return {label: str(value) for key, value in options.added_settings.items() if (label := labels.get(key))}
