"""What an extension is told where a pass starts: the picture's latent, and the model as a denoiser for prompts of its own."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from backend.job import SamplingOptions
from backend.progress import Status
from backend.sampling.changes import Beginning
from backend.sampling.denoiser import SigmaDenoiser
from backend.sampling.guidance import Guidance, Predictor, Told
from backend.sampling.names import BUILT_IN
from backend.sampling.schedulers import get_sigmas
from backend.sampling.sigma_table import SigmaTable, effective_alphas
from backend.sampling.start import Start
from backend.stage import Run, Stage


def beginning(run: Run, stage: Stage, told: Told, start: Start | None) -> Callable[[Tensor], Tensor] | None:
    """Noise → what extensions make of it; None: there is none that would."""
    if not run.changes.at("start"):
        return None
    options, model = _asked_alone(stage.job.sampling), told.model
    table, euler = _table(model, options), BUILT_IN.sampler(options.sampler)

    def denoiser(prompt: str, negative_prompt: str, cfg_scale: float) -> Callable[[Tensor, Tensor], Tensor]:
        encoded = run.encode(stage, prompt, negative_prompt)
        guidance = Guidance(replace(told, cond=encoded.cond, uncond=encoded.uncond), options, options.steps, lambda: run.cancel.cancelled)
        v_prediction = model.architecture.prediction == "v"
        return SigmaDenoiser(guidance, table, v_prediction=v_prediction, cfg_scale=cfg_scale, keep=lambda x, _: x, table_of=lambda _: table)

    at = Beginning(
        step=0,
        steps=stage.job.sampling.steps,
        level=table.high,
        latent=None if start is None else start.latent,
        sigmas=lambda steps: get_sigmas(replace(options, steps=steps), euler, table, sdxl=False),
        denoiser=denoiser,
        drawn_with=(stage.job.model, stage.job.networks, stage.job.conditioning, options),
        tell=lambda text: run.on_event(Status(text=text)),
    )
    return lambda noise: run.changes.begin(noise, at)


def _asked_alone(options: SamplingOptions) -> SamplingOptions:
    """What of them says how a model is to be asked, whatever the picture's own way from noise is."""
    return SamplingOptions(
        image_cfg_scale=options.image_cfg_scale,
        quantize_timesteps=options.quantize_timesteps,
        batch_cond_uncond=options.batch_cond_uncond,
        pad_cond_uncond=options.pad_cond_uncond,
        pad_cond_uncond_v0=options.pad_cond_uncond_v0,
        zero_terminal_snr=options.zero_terminal_snr,
        downcast_alphas=options.downcast_alphas,
    )


def _table(model: Predictor, options: SamplingOptions) -> SigmaTable:
    zero_snr = options.zero_terminal_snr or model.architecture.zero_snr
    alphas = effective_alphas(model.alphas_cumprod, zero_terminal_snr=zero_snr, downcast=options.downcast_alphas)
    return SigmaTable(alphas, quantize=options.quantize_timesteps)
