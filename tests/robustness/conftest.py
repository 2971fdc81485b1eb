"""Shows what the suites of faults have tried, also where all is well."""

import pytest

from tests.robustness.bench import SEED


@pytest.fixture
def show_rows(capsys):
    """Prints rows of the table, with the seed."""

    def show(rows):
        with capsys.disabled():
            print('\nseed %d' % SEED)
            for row in rows:
                print('%6d  %s: %s' % (row.count, row.fault, row.ending))
        assert rows

    return show
