"""What features in Parquet files have in common, as JSON."""

import json

import pytest

from scripts.common.errors import UserError
from scripts.features import table

FLAGS = {
    'image_dir': 'hdfs://host/Blüten',
    'test_dir': None,
    'testing_percentage': 10,
    'validation_percentage': 10,
    'split_key': 'path',
    'image_extensions': 'jpg,jpeg',
    'architecture': 'mobilenet_0.25_128',
    'exif_rotation': 'ignore',
    'decode': 'exact',
    'input_layer': None,
    'bottleneck_layer': None,
    'input_height': 96,
    'input_width': None,
    'input_mean': (1.0, 2.5, 3.0),
    'input_std': 127.5,
}
ABOUT = table.About('5a' * 32, (7, 7, 64), FLAGS)
COMPLETE = table.Complete(['a', 'b'], 90, 3)


@pytest.mark.once
def test_what_is_written_is_read():
    assert table.about_of(table.to_json(ABOUT), 'x') == ABOUT
    assert table.complete_of(table.to_json(COMPLETE), 'x') == COMPLETE


@pytest.mark.parametrize(
    'change',
    [
        {'version': 2},
        {'shape': []},
        {'shape': [1 << 20, 1 << 20]},
        {'shape': [True]},
        {'fingerprint': 5},
        {'groups': 5},
        {'flags': {}},
        {'flags': dict(FLAGS, image_dir=None)},
        {'flags': dict(FLAGS, test_dir=5)},
        {'flags': dict(FLAGS, testing_percentage='10')},
        {'flags': dict(FLAGS, input_mean=['a'])},
        {'flags': dict(FLAGS, more=1)},
    ],
)
@pytest.mark.once
def test_a_corrupt_file_is_told(change):
    fields = dict(json.loads(table.to_json(ABOUT).decode()), **change)
    with pytest.raises(UserError, match='^x is corrupt, or a newer version'):
        table.about_of(json.dumps(fields).encode(), 'x')


@pytest.mark.parametrize('data', [b'', b'[]', b'\xff', b'{"version": 1}', b'[' * 100000])
@pytest.mark.once
def test_what_is_no_json_is_told(data):
    for read in (table.about_of, table.complete_of):
        with pytest.raises(UserError, match='^x is corrupt'):
            read(data, 'x')


@pytest.mark.once
def test_what_differs_is_told():
    assert table.difference(ABOUT, ABOUT) == ''
    other = ABOUT._replace(flags=dict(FLAGS, split_key='name'))
    assert table.difference(ABOUT, other) == '--split_key=path, not name'
    assert 'another network (fingerprint 5a5a5a5a5a5a, not 00)' in table.difference(
        ABOUT, ABOUT._replace(fingerprint='00')
    )
    assert '--groups' in table.difference(ABOUT, ABOUT._replace(groups='5a'))
