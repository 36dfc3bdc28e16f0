from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.images.soft_mask import changed
from backend.request import SoftInpaint

WHITE = np.ones((16, 16), np.float32)
HALF_CHANGED = np.repeat(np.array([[0.0, 3.0]], np.float32), 8, axis=1).repeat(16, axis=0)
DEFAULT = SoftInpaint()


def taken(difference: NDArray[np.float32], soft: SoftInpaint = DEFAULT, mask: NDArray[np.float32] = WHITE) -> NDArray[np.float64]:
    """0…1 for each pixel of the picture."""
    image = changed(difference, mask, soft, 8 * difference.shape[1], 8 * difference.shape[0])
    assert image.mode == "L"
    return np.asarray(image, np.float64) / 255


def test_what_did_not_change_stays_and_what_changed_is_taken():
    mask = taken(HALF_CHANGED)
    assert mask[:, :24].max() == 0 and mask[:, 96:].min() > 0.95
    assert (np.diff(mask[64]) >= 0).all()


def test_a_change_of_the_threshold_is_half_taken():
    assert taken(np.full((16, 16), 1.5, np.float32), replace(DEFAULT, difference_threshold=1.5)).mean() == pytest.approx(0.5, abs=0.01)


def test_more_contrast_makes_a_sharper_border():
    middle = [taken(np.full((16, 16), 0.7, np.float32), replace(DEFAULT, difference_contrast=contrast)).mean() for contrast in (1, 2, 8)]
    assert middle == sorted(middle) and middle[2] > 0.9


def test_a_single_spot_counts_with_its_surroundings():
    spot = np.zeros((16, 16), np.float32)
    spot[8, 8] = 3
    mask = taken(spot)
    assert mask[68, 68] > 0.9 and mask[:24].max() == 0


def test_where_the_mask_has_influence_black_parts_are_kept_longer():
    mask = np.repeat(np.array([[0.05, 1.0]], np.float32), 8, axis=1).repeat(16, axis=0)
    moved = np.full((16, 16), 0.6, np.float32)
    assert np.ptp(taken(moved, mask=mask)) == 0
    influenced = taken(moved, replace(DEFAULT, mask_influence=0.5), mask)
    assert influenced[:, :40].max() < influenced[:, 88:].min()


@pytest.mark.parametrize("field", ["difference_threshold", "difference_contrast"])
def test_zeros_are_no_error(field: str):
    assert np.isfinite(taken(HALF_CHANGED, replace(DEFAULT, **{field: 0}))).all()
    assert taken(HALF_CHANGED, replace(DEFAULT, difference_threshold=0))[:, 96:].min() == 1
