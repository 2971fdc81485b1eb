"""Learning curves from event files: complete, truncated and crafted."""

import os

import pytest

from scripts.common.errors import UserError
from scripts.evaluation import curves
from tests.robustness import samples


@pytest.fixture
def events():
    """Serialized events, of which six have points."""
    return samples.events()


def write(folder, *parts):
    (folder / 'train').mkdir(exist_ok=True)
    path = folder / 'train' / 'events.out.tfevents.1.here'
    path.write_bytes(b''.join(parts))
    return str(path)


def steps_of(folder):
    read = curves.read(str(folder))
    return read.accuracy[0].steps.tolist() if read.accuracy else []


def test_a_whole_file_is_read_without_a_word(tmp_path, events, warnings_of):
    write(tmp_path, *map(samples.record, events))
    assert warnings_of(lambda: steps_of(tmp_path)) == []
    assert steps_of(tmp_path) == list(range(6))


@pytest.mark.parametrize(
    'record',
    [
        samples.record(b'\xff' * 20),
        samples.record(b'\x0a'),
        samples.record(b'x', claimed=10**12),
        samples.record(b'x', claimed=2**63),
        samples.record(b'x', claimed=2**64 - 1),
        samples.record(b'x', claimed=2),
        samples.record(b'x', claimed=0),
        samples.record(b'x')[:-1] + b'\0',
        b'\0' * 16,
        b'\xff' * 12,
        b'x',
    ],
    ids=range(11),
)
def test_the_curves_end_where_a_file_is_corrupt(tmp_path, events, warnings_of, record):
    whole = list(map(samples.record, events))
    path = write(tmp_path, *whole[:4], record, *whole[4:])
    (warning,) = warnings_of(lambda: steps_of(tmp_path))
    assert warning.startswith('%s is corrupt; the curves end there' % path)
    assert steps_of(tmp_path) == [0, 1, 2]


def test_a_file_may_be_cut_anywhere(tmp_path, events, warnings_of):
    whole = b''.join(map(samples.record, events[:3]))
    ends = {sum(map(len, map(samples.record, events[:count]))) for count in range(4)}
    for size in range(len(whole) + 1):
        write(tmp_path, whole[:size])
        assert len(warnings_of(lambda: steps_of(tmp_path))) == (size not in ends)


def test_what_is_no_file_is_passed_by(tmp_path, events):
    write(tmp_path, *map(samples.record, events))
    (tmp_path / 'validation' / 'events.out.tfevents.2.here').mkdir(parents=True)
    os.mkfifo(str(tmp_path / 'train' / 'events.out.tfevents.3.here'))
    os.symlink('nowhere', str(tmp_path / 'train' / 'events.out.tfevents.4.here'))
    assert steps_of(tmp_path) == list(range(6))
    os.unlink(str(tmp_path / 'train' / 'events.out.tfevents.1.here'))
    with pytest.raises(UserError, match='has no event files'):
        curves.read(str(tmp_path))


def test_a_file_that_cannot_be_read_is_told(tmp_path, events, monkeypatch):
    path = write(tmp_path, *map(samples.record, events))
    opened = open

    def refuse(name, *more, **options):
        if name == path:
            raise PermissionError(13, 'Permission denied', name)
        return opened(name, *more, **options)

    monkeypatch.setattr('builtins.open', refuse)
    with pytest.raises(UserError, match='cannot read .*events.out.tfevents.1.here: Permission'):
        curves.read(str(tmp_path))
