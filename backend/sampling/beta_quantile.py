"""The inverse of the beta distribution's cumulative function, for the Beta schedule."""

import math

TINY = 1e-300
PRECISION = 1e-16


def beta_quantile(probability: float, a: float, b: float) -> float:
    """x in 0…1 with I_x(a, b) = probability: Newton's steps, halving where they leave the bracket."""
    if probability <= 0 or probability >= 1:
        return min(max(probability, 0.0), 1.0)
    low, high, x = 0.0, 1.0, 0.5
    for _ in range(100):
        error = beta_cumulative(x, a, b) - probability
        low, high = (low, x) if error > 0 else (x, high)
        density = math.exp(_log_front(x, a, b)) / (x * (1 - x))
        previous, x = x, x - error / max(density, TINY)
        if not low < x < high:
            x = (low + high) / 2
        if abs(x - previous) <= PRECISION * x:
            break
    return x


def beta_cumulative(x: float, a: float, b: float) -> float:
    """I_x(a, b) for 0 < x < 1, by the continued fraction on the side where it converges fast."""
    front = math.exp(_log_front(x, a, b))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _log_front(x: float, a: float, b: float) -> float:
    """log of x^a (1 − x)^b / B(a, b)."""
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)


def _fraction(x: float, a: float, b: float) -> float:
    """Abramowitz & Stegun 26.5.8 by Lentz's method."""
    c, d = 1.0, 1 / _nonzero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 300):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for numerator in (even, odd):
            c, d = _nonzero(1 + numerator / c), 1 / _nonzero(1 + numerator * d)
            value *= c * d
        if abs(c * d - 1) < PRECISION:
            break
    return value


def _nonzero(value: float) -> float:
    return value if abs(value) > TINY else TINY
