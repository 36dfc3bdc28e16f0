"""A model's noise levels: from its alphas_cumprod to sigmas, and between sigmas and timesteps.

Sigmas are float32 tensors on the CPU, here and in all of sampling: their last bit decides which Brownian noise is drawn.
"""

import torch
from torch import Tensor

ZERO_SNR_LAST_ALPHA = 4.8973451890853435e-08  # not 0, so that the last sigma stays finite: 4518.8


def effective_alphas(alphas: Tensor, *, zero_terminal_snr: bool, downcast: bool) -> Tensor:
    """alphas_cumprod (1000,) as sampling uses them. downcast: in float16, as A1111 had them before 1.7."""
    alphas = alphas.detach().to("cpu", torch.float16 if downcast else torch.float32)
    return rescale_zero_terminal_snr(alphas) if zero_terminal_snr else alphas


def rescale_zero_terminal_snr(alphas: Tensor) -> Tensor:
    """Lin et al. 2023, algorithm 1: stretch √ᾱ so that the last one is (almost) 0 and the first one stays."""
    roots = alphas.sqrt()
    first, last = roots[0].clone(), roots[-1].clone()
    rescaled = ((roots - last) * (first / (first - last))) ** 2
    rescaled[-1] = ZERO_SNR_LAST_ALPHA
    return rescaled


class SigmaTable:
    """The sigmas of the trained timesteps, rising, and what lies between them: log sigma is linear in t.

    stride: which timesteps the table holds. 1: all. 20: each 20th (19, 39 … 999), for LCM; there every sigma counts as its nearest entry.
    """

    def __init__(self, alphas: Tensor, *, quantize: bool = False, stride: int = 1) -> None:
        alphas = alphas[stride - 1 :: stride]
        sigmas = ((1 - alphas) / alphas) ** 0.5
        self.sigmas = sigmas.float()
        self._logs = sigmas.log().float()
        self._stride, self._nearest = stride, quantize or stride > 1

    @property
    def low(self) -> float:
        return self.sigmas[0].item()

    @property
    def high(self) -> float:
        return self.sigmas[-1].item()

    def timestep(self, sigma: Tensor) -> Tensor:
        """0-dim sigma → 0-dim t, fractional where the table allows it."""
        log = sigma.log()
        if self._nearest:
            return (log - self._logs).abs().argmin().float() * self._stride + (self._stride - 1)
        low = min(max(int(torch.searchsorted(self._logs, log, right=True)) - 1, 0), len(self._logs) - 2)
        weight = ((self._logs[low] - log) / (self._logs[low] - self._logs[low + 1])).clamp(0, 1)
        return (1 - weight) * low + weight * (low + 1)

    def index(self, sigma: Tensor) -> int:
        """The entry that is nearest to a 0-dim sigma."""
        return int((self.sigmas - sigma).abs().argmin())

    def sigma(self, timestep: Tensor) -> Tensor:
        """Timesteps of any shape → sigmas."""
        place = ((timestep.float() - (self._stride - 1)) / self._stride).clamp(0, len(self._logs) - 1)
        weight = place.frac()
        return ((1 - weight) * self._logs[place.floor().long()] + weight * self._logs[place.ceil().long()]).exp()
