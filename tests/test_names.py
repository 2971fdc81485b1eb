"""Files and folders with every name go through training, evaluation and labelling."""

import csv
import os

from scripts import evaluate, label_image, retrain
from tests import pictures
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

    shown = [path for path in renamed if '\udcff' not in path]  # Not for pytest's own stream.
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
    assert {path.encode('utf-8', 'backslashreplace').decode() for path in renamed} <= cells
