"""What lies under the mask before it is drawn: noise with the spectrum and the colours of the rest of the picture. All arrays are (height, width, 3) in 0…1.

The method is that of parlance-zz's g-diffuser, in the numbers that A1111 uses.
"""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float64]

SEED = 0  # always the same noise: what differs is drawn from the request's seed
BARELY = 1e-6  # masked: more than this
UNMASKED = 1e-3  # seen: less than this


def matched_noise(image: Pixels, mask: Pixels, exponent: float = 1.0, color_variation: float = 0.05) -> Pixels:
    """mask: 1 = to be drawn. exponent: of the spectrum; lower = more detail. color_variation: 0 = grey noise."""
    grey = mask.mean(axis=2)
    masked, seen = grey > BARELY, grey < UNMASKED
    if not seen.any() or not masked.any():
        return image
    window = image * (1 - grey[..., None])
    window = window / max(window.max(), 1e-12) + image.mean() * mask  # the masked part has the mean colour, or its black would rule the spectrum
    spectrum = _spectrum(window)
    strength = np.abs(spectrum)
    phase = spectrum / np.where(strength == 0, 1, strength)
    smooth = _picture(_spectrum(_noise(image.shape, color_variation)) * _falloff(*image.shape[:2])[..., None])
    shaped = _picture(np.abs(_spectrum(smooth)) ** 2 * strength**exponent * phase)
    shaped = shaped - shaped.min()
    shaped = shaped / max(shaped.max(), 1e-12)
    shaped[masked] = _with_colors_of(shaped[masked], image[seen])
    return np.clip(image * (1 - mask) + shaped * mask, 0, 1)


def _noise(shape: tuple[int, ...], color_variation: float) -> Pixels:
    noise = np.random.default_rng(SEED).random(shape)
    return noise * color_variation + (1 - color_variation) * noise.mean(axis=2, keepdims=True)


def _falloff(height: int, width: int) -> NDArray[np.float64]:
    """(height, width): 1 in the middle, which is the lowest frequency, falling with the square of the distance."""
    shortest = min(height, width)
    y, x = ((np.arange(side) / side * 2 - 1) * (side / shortest) for side in (height, width))
    return 1 / np.outer(y**2 + 1, x**2 + 1)


def _spectrum(pixels: Pixels) -> NDArray[np.complex128]:
    return np.fft.ifftshift(np.fft.fft2(np.fft.fftshift(pixels, axes=(0, 1)), axes=(0, 1), norm="ortho"), axes=(0, 1))


def _picture(spectrum: NDArray[np.complex128]) -> Pixels:
    return np.real(np.fft.ifftshift(np.fft.ifft2(np.fft.fftshift(spectrum, axes=(0, 1)), axes=(0, 1), norm="ortho"), axes=(0, 1)))


def _with_colors_of(values: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) → (n, 3): each channel's values take the distribution of the reference's, their order stays. Histogram matching."""
    return np.stack([_matched(values[:, channel], reference[:, channel]) for channel in range(values.shape[1])], axis=1)


def _matched(values: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    known, known_counts = np.unique(reference, return_counts=True)
    return np.interp(np.cumsum(counts) / values.size, np.cumsum(known_counts) / reference.size, known)[places]
