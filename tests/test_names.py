"""Files and folders with every name go through training, evaluation and labelling."""

import csv
import json
import os
import re

from scripts import evaluate, label_image, retrain
from scripts.common import files
from tests import pictures
from tests.conftest import NO_LOCALE, UTF8
from tests.test_retrain import Bench

_NAMES = [
    b'with space.jpg',
    b' at its ends .jpg',
    b'comma,and,comma.jpg',
    b'\'single\' "double".jpg',
    b'new\nline.jpg',
    b'tab\t.jpg',
    'caf\u00e9 \u82b1.jpg'.encode(),
    b'not utf-8 \xff\xfe.jpg',
    b'percent %s %d {}.jpg',
    b'star * [ab] ?.jpg',
    b'--flag=value.jpg',
    b'case.jpg',
    b'CASE.jpg',
    b'case.JPG',
    b'l' * 251 + b'.jpg',
    b'm' * 251 + b'.jpg',
]
_SURROGATE = re.compile('[\udc80-\udcff]')


def test_photos_of_every_name(tmp_path, in_process):
    folder = str(tmp_path / 'my photos, "new" \n')
    pictures.draw_classes(folder, 20)
    renamed = []
    for number, name in enumerate(_NAMES):
        path = os.path.join(os.fsencode(folder), b'Red', name)
        os.rename(os.path.join(folder, 'Red', '%03d.jpg' % number), path)
        renamed.append(os.fsdecode(path))
    bench = Bench(tmp_path, folder)
    graphs = []
    for _ in ('cold', 'warm'):
        report = str(tmp_path / 'report.html')
        ended = in_process(
            retrain, *bench.flags(print_misclassified_test_images=True, report=report)
        )
        assert ended.status == 0 and 'left out' not in ended.err, ended.err
        graphs.append(bench.graph_bytes())
    assert '60 of 60 bottlenecks found' in ended.out and graphs[0] == graphs[1]

    shown = [path for path in renamed if not _SURROGATE.search(path)]  # Not in pytest's stream.
    ended = in_process(
        label_image, '--graph=' + bench.graph, '--labels=' + bench.labels, '--', *shown
    )
    assert ended.status == 0, ended.err
    assert len(ended.out.splitlines()) == len(shown) * 5 - 1  # A blank line between two.
    table = str(tmp_path / 'table.csv')
    flags = ['--labels=' + bench.labels, '--predictions=' + table, '--report=' + report]
    ended = in_process(evaluate, bench.graph, '--image_dir=' + folder, '--category=all', *flags)
    assert ended.status == 0, ended.err
    with open(table, encoding='utf-8', newline='') as file:
        cells = {cell for row in csv.reader(file) for cell in row}
    # That table is always UTF-8: bytes that are none stand there as escapes.
    names = {os.fsencode(path).decode('utf-8', 'surrogateescape') for path in renamed}
    assert {name.encode('utf-8', 'backslashreplace').decode() for name in names} <= cells


def test_names_are_the_same_without_a_locale(tmp_path, in_subprocess):
    name = 'caf\u00e9 \u82b1'
    folder = os.path.join(str(tmp_path), os.fsdecode(name.encode()))
    pictures.draw_classes(folder, 20)
    photo = os.path.join(folder, 'Red', os.fsdecode(name.encode() + b'.jpg'))
    os.rename(os.path.join(folder, 'Red', '000.jpg'), photo)
    bench = Bench(tmp_path, folder)
    training = bench.flags(
        checkpoint_path=str(tmp_path / 'checkpoint'), resume=True, split_key='name'
    )
    graphs = []
    for environment in (UTF8, NO_LOCALE):
        ended = in_subprocess('scripts.retrain', *training, env=dict(os.environ, **environment))
        assert ended.status == 0 and not ended.err, ended.err
        graphs.append(bench.graph_bytes())
    assert 'Resuming after 40 steps' in ended.out and '60 of 60 bottlenecks found' in ended.out
    assert graphs[0] == graphs[1]

    outputs = [str(tmp_path / each) for each in ('report.html', 'table.csv', 'list.json')]
    for module, *flags in (
        ['scripts.evaluate', '--image_dir=' + folder, '--category=all']
        + ['--report=' + outputs[0], '--predictions=' + outputs[1]],
        ['scripts.label_image', folder, '--output_format=json', '--output=' + outputs[2]],
    ):
        flags += ['--graph=' + bench.graph, '--labels=' + bench.labels]
        ended = in_subprocess(module, *flags, env=dict(os.environ, **NO_LOCALE))
        assert ended.status == 0 and not ended.err, ended.err
    report, table, listed = (files.read(path, 'file').decode('utf-8') for path in outputs)
    assert '/%s</dd>' % name in report
    assert '/%s/Red/%s.jpg,' % (name, name) in table
    assert '%s.jpg' % name in [os.path.basename(each['image']) for each in json.loads(listed)]
