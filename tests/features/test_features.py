"""Features as training takes them."""

import numpy as np
import pytest

from scripts.features.features import Features

VALUES = np.arange(24, dtype=np.float16).reshape(4, 2, 3)


def test_rows_are_those_of_photos_as_float32_of_any_shape():
    features = Features(VALUES, [2, -1, 0])
    assert len(features) == 3 and features.shape == (2, 3)
    assert features.readable.tolist() == [True, False, True]
    taken = features.take(np.array([2, 0, 0]))
    assert taken.dtype == np.float32 and (taken == VALUES[[0, 2, 2]]).all()
    assert features.take(np.array([], np.int64)).shape == (0, 2, 3)


def test_without_rows_each_photo_has_its_own():
    assert (Features(VALUES).take(np.arange(4)) == VALUES).all()


def test_an_unreadable_photo_has_none():
    with pytest.raises(IndexError, match='unreadable'):
        Features(VALUES, [2, -1, 0]).take(np.array([0, 1]))
