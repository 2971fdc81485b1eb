"""Calls that overlap with the making of what they are given."""

import pytest

from scripts.images import runner


def test_results_come_in_order():
    assert list(runner.overlapped(lambda number: number * number, range(50))) == [
        number * number for number in range(50)
    ]


def test_no_more_is_made_than_is_needed_soon():
    made = []

    def arguments():
        for number in range(50):
            made.append(number)
            yield number

    results = runner.overlapped(str, arguments())
    assert next(results) == '0'
    assert len(made) == 3
    results.close()
    assert len(made) == 3


def test_an_error_comes_out_in_its_place():
    results = runner.overlapped(lambda number: 1 // number, [1, 1, 0, 1])
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
