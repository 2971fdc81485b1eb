"""The check_photos command, and what retrain and evaluate make of its groups."""

import csv
import os
import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

from scripts import check_photos, evaluate, retrain
from scripts.graphs import description, graph_files
from tests import pictures
from tests.images import exif_kinds
from tests.test_retrain import NAME, Bench

pytestmark = pytest.mark.once

# What is wrong with the photos: pairs of the same shot, and a wrong label.
PAIRS = {
    frozenset(['Red/000.jpg', 'Red/100.jpg']),
    frozenset(['green/<i>.jpg', 'Blue-Ones/100.jpg']),
}
MOVED, WRONG = 'green/004.jpg', 'Red/101.jpg'


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    folder = pictures.draw_classes(str(tmp_path_factory.mktemp('checked') / 'photos'), 24)

    def path(name):
        return os.path.join(folder, name)

    os.rename(path('green/000.jpg'), path('green/<i>.jpg'))
    with Image.open(path('Red/000.jpg')) as image:
        ImageOps.mirror(image).save(path('Red/100.jpg'))
    with Image.open(path('green/<i>.jpg')) as image:
        image.save(path('Blue-Ones/100.jpg'), quality=60)
    os.rename(path(MOVED), path(WRONG))
    with open(path('Red/005.jpg'), 'rb') as file:
        data = file.read()
    with open(path('Red/005.jpg'), 'wb') as file:
        file.write(exif_kinds.with_segments(exif_kinds.exif(6), jpeg=data))
    with open(path('Red/006.jpg'), 'wb') as file:
        file.write(b'no photo')
    os.makedirs(path('few'))
    for number in range(3):
        blocks = np.random.RandomState(number).randint(0, 256, (6, 8, 3)).astype(np.uint8)
        image = Image.fromarray(blocks).resize((400, 300), Image.BICUBIC)
        image.save(path('few/<b>%d.jpg' % number))
    return folder


@pytest.fixture
def bench(photos, tmp_path, monkeypatch):
    shutil.copytree(photos, str(tmp_path / 'photos'))
    monkeypatch.chdir(str(tmp_path))
    return Bench('.', 'photos')


def check_flags(bench, **changes):
    values = dict(
        image_dir='photos',
        architecture=NAME,
        model_dir=bench.models,
        bottleneck_dir='bottlenecks',
        testing_percentage=20,
        validation_percentage=20,
    )
    return ['--%s=%s' % item for item in dict(values, **changes).items()]


def rows_of(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


@pytest.mark.each_python
def test_everything_is_found_told_and_written(bench, in_process):
    outputs = dict(output='out.csv', output_groups='groups.csv', report='page.html')
    ended = in_process(check_photos, *check_flags(bench, **outputs))
    assert ended.status == 0, ended.err
    rows = rows_of('out.csv')

    def of_kind(kind):
        return [os.path.relpath(row['image'], 'photos') for row in rows if row['kind'] == kind]

    groups = {}
    for row in rows_of('groups.csv'):
        groups.setdefault(row['group'], set()).add(row['image'])
    assert set(map(frozenset, groups.values())) == PAIRS
    assert set(of_kind('near_duplicate')) == set().union(*PAIRS)
    details = {row['detail'] for row in rows if row['kind'] == 'near_duplicate'}
    assert any('across classes' in each for each in details)
    assert WRONG in of_kind('doubtful_label')[:3]
    doubtful = [row for row in rows if row['kind'] == 'doubtful_label']
    assert [float(row['score']) for row in doubtful] == sorted(
        float(row['score']) for row in doubtful
    )
    assert of_kind('rotated_photo') == ['Red/005.jpg']
    assert of_kind('unreadable_photo') == ['Red/006.jpg']
    assert len(of_kind('small_photo')) == 24 * 3 + 2 - 1
    assert [row['label'] for row in rows if row['kind'] == 'small_class'] == ['few']

    assert '76 photos of 4 classes in photos' in ended.out
    assert 'Near-duplicates: 2 groups, of 4 photos' in ended.out
    assert 'Too few photos to trust, fewer than 20: few (3)' in ended.out
    assert 'With an EXIF rotation that is not applied: 1 photos' in ended.out
    assert 'Unreadable: 1 photos' in ended.out
    with open('page.html', encoding='utf-8') as file:
        page = file.read()
    assert '<i>' not in page and '&lt;i&gt;.jpg' in page
    assert page.count('<h3>Group ') == 2 and 'http' not in page.split('</style>')[1]


def test_a_second_run_finds_the_same_and_nothing_of_the_photos_changes(bench, in_process):
    before = {
        os.path.join(folder, name): os.stat(os.path.join(folder, name)).st_mtime_ns
        for folder, _, names in os.walk('photos')
        for name in names
    }
    outputs = []
    for _ in range(2):
        ended = in_process(check_photos, *check_flags(bench, output='out.csv'))
        assert ended.status == 0, ended.err
        outputs.append(rows_of('out.csv'))
    assert outputs[0] == outputs[1] and '76 of 77 bottlenecks found' in ended.out
    assert all(os.stat(path).st_mtime_ns == time for path, time in before.items())


def test_the_report_of_a_training_shows_it_too(bench, in_process, one_error):
    shutil.rmtree('photos/few')
    flags = bench.flags(report='report.html', testing_percentage=20, split_key='name')
    sections = []
    for more in ([], ['--report_photos']):
        ended = in_process(retrain, *flags, *more)
        assert ended.status == 0, ended.err
        with open('report.html', encoding='utf-8') as file:
            page = file.read()
        sections.append([each.split('</h2>')[0] for each in page.split('<h2>')[1:]])
    plain, checked = sections
    added = [each for each in checked if each not in plain]
    assert added == ['Near-duplicates', 'Doubtful labels']
    assert [each for each in checked if each in plain] == plain
    assert page.count('<h3>Group ') == 2 and WRONG.split('/')[1] in page
    error = one_error(retrain, *bench.flags(report_photos=True))
    assert 'add --report=FILE' in error
    scratch = bench.flags(report='report.html', report_photos=True, architecture='cnn_32')
    assert 'has random weights' in one_error(retrain, *scratch)


def test_groups_stay_together_in_training_and_in_evaluation(bench, in_process, one_error):
    shutil.rmtree('photos/few')
    assert in_process(check_photos, *check_flags(bench, output_groups='groups.csv')).status == 0
    plain = in_process(retrain, *bench.flags())
    ended = in_process(retrain, *bench.flags(groups='groups.csv'))
    assert ended.status == 0, ended.err
    photos = description.find(graph_files.read(bench.graph)).description.photos
    assert len(photos.groups) == 64
    accuracy = ended.out.split('Final test accuracy = ')[1].split('\n')[0]
    count = accuracy.split('N=')[1].rstrip(')')
    evaluated = in_process(evaluate, bench.graph, '--groups=groups.csv')
    assert evaluated.status == 0 and not evaluated.err.replace(ended.err, '')
    assert '(Wilson, N=%s)' % count in evaluated.out and plain.status == 0
    error = one_error(evaluate, bench.graph)
    assert 'was trained with a file of groups' in error and '--groups' in error
    assert in_process(evaluate, bench.graph, '--category=all').status == 0
    with open('groups.csv', 'a') as file:
        file.write('9,Red/001.jpg\n')
    other = in_process(evaluate, bench.graph, '--groups=groups.csv')
    assert '--groups=groups.csv is not what the graph was trained with' in other.err


@pytest.mark.parametrize(
    'changes, words',
    [
        ({'architecture': 'dense_128'}, 'dense_128 has random weights'),
        ({'output': ''}, '--output is empty'),
        ({'output': 'photos/Red/001.jpg'}, '--output is the same file as the photo'),
        (
            {'output': 'a.csv', 'output_groups': 'a.csv'},
            '--output and --output_groups are both a.csv',
        ),
        ({'report': 'photos'}, 'photos is a folder'),
        ({'image_dir': 'nowhere'}, 'nowhere'),
    ],
)
def test_a_user_error_is_one_line(bench, one_error, changes, words):
    assert words in one_error(check_photos, *check_flags(bench, **changes))
