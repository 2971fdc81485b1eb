"""Heatmaps as colours."""

import numpy as np
import pytest
from PIL import Image

from scripts.images import heat

pytestmark = pytest.mark.once


def test_hotter_is_lighter():
    image = heat.colours(np.linspace(0, 1, 101, dtype=np.float32)[None])
    assert image.size == (101, 1)
    lightness = np.array(image.convert('L'), np.int64)[0]
    assert (np.diff(lightness) >= 0).all() and lightness[0] < 5 and lightness[-1] > 240


def test_heat_is_over_its_place_in_the_photo():
    photo = Image.new('RGB', (200, 100), (100, 100, 100))
    values = np.array([[0, 0, 0, 1], [0, 0, 0, 0]], np.float32)
    over = np.array(heat.over(photo, values).convert('L'), np.int64)
    assert over.shape == (100, 200)
    assert over[:50, 150:].mean() > 100 > over[:, :100].mean()
    assert over[5, 195] == over.max() and over[75, 20] == pytest.approx(45, abs=2)
