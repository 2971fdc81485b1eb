"""Batches of photos as bytes: the values and reasons of those in files."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from scripts.images import runner
from scripts.images.contents import BatchRunner
from scripts.images.settings import PixelSpec
from tests.images import photo_kinds

SPEC = PixelSpec(32, 40, 127.5, 127.5, 'apply')


@pytest.mark.each_tensorflow
def test_values_and_reasons_are_those_of_files(tmp_path, warnings_of):
    kinds = dict(photo_kinds.READABLE)
    kinds.update((name, data) for name, (data, _) in photo_kinds.UNREADABLE.items())
    names = [str(tmp_path / ('%s.jpg' % name)) for name in sorted(kinds)]
    contents = [kinds[name] for name in sorted(kinds)]
    for name, data in zip(names, contents):
        with open(name, 'wb') as file:
            file.write(data)
    results = []
    with runner.Runner(SPEC) as of_files:
        warnings = warnings_of(lambda: results.extend(of_files.run([names])))
    (expected, readable), *_ = results
    values, reasons = BatchRunner(SPEC, tf.identity, threads=1).run(names, contents)
    assert (values[readable] == expected[readable]).all()
    assert np.array_equal([reason is None for reason in reasons], readable)
    said = [
        'photo %s is unreadable and is left out: it %s' % each
        for each in zip(names, reasons)
        if each[1] is not None
    ]
    assert said == warnings
