"""The drawn pictures and the command that draws the demo's photos."""

import os
import random

import numpy as np
import pytest
from PIL import Image

from scripts.common import command
from scripts.sample import draw_flowers, flowers, things


def _run(*arguments):
    return command.execute(
        draw_flowers.main, draw_flowers.FLAGS, ['draw_flowers'] + list(arguments)
    )


def _files(folder):
    return {
        os.path.relpath(os.path.join(where, name), str(folder)): os.stat(
            os.path.join(where, name)
        ).st_mtime_ns
        for where, _, names in os.walk(str(folder))
        for name in names
    }


@pytest.mark.parametrize('kind', flowers.CLASSES)
def test_flower_is_sized_and_repeatable(kind):
    photo = flowers.draw(kind, (1, 2))
    assert photo.mode == 'RGB'
    assert 240 <= photo.width <= 320 and 200 <= photo.height <= 240
    assert photo.tobytes() == flowers.draw(kind, (1, 2)).tobytes()
    assert photo.tobytes() != flowers.draw(kind, (1, 3)).tobytes()
    assert np.asarray(photo).std() > 5


@pytest.mark.parametrize('form', sorted(things.FORMS))
def test_thing_is_sized_and_repeatable(form):
    name = form + ' striped'
    assert name in things.CLASSES
    picture = things.draw(name, 7, 48)
    assert (picture.mode, picture.size) == ('RGB', (48, 48))
    assert picture.tobytes() == things.draw(name, 7, 48).tobytes()
    assert picture.tobytes() != things.draw(name, 8, 48).tobytes()


@pytest.mark.parametrize('form', sorted(things.FORMS))
def test_form_fits_the_unit_square(form):
    for outline in things.FORMS[form](random.Random(3)):
        assert np.abs(outline.real).max() < 1.3 and np.abs(outline.imag).max() < 1.3


def test_no_flower_is_among_the_things():
    words = {word for name in things.CLASSES for word in name.split()}
    assert not words & set(flowers.CLASSES)
    assert len(set(things.CLASSES)) == len(things.CLASSES) == 220


def test_draws_folders_and_held_out_photos_once(tmp_path, capsys):
    photos, held_out = tmp_path / 'photos', tmp_path / 'held_out'
    arguments = ['--output_dir=%s' % photos, '--held_out_dir=%s' % held_out, '--per_class=2']
    assert _run(*arguments) == 0
    assert 'Drew 15 photos' in capsys.readouterr().out
    assert sorted(os.listdir(str(photos))) == flowers.CLASSES
    assert sorted(os.listdir(str(held_out))) == [kind + '_1.jpg' for kind in flowers.CLASSES]
    assert sorted(os.listdir(str(photos / 'tulip'))) == ['tulip_001.jpg', 'tulip_002.jpg']
    with Image.open(str(photos / 'tulip' / 'tulip_001.jpg')) as photo:
        assert (photo.format, photo.mode) == ('JPEG', 'RGB')
    before = _files(tmp_path)
    os.remove(str(photos / 'rose' / 'rose_002.jpg'))
    assert _run(*arguments) == 0
    assert 'Drew 1 photo in ' in capsys.readouterr().out
    after = _files(tmp_path)
    assert set(after) == set(before)
    assert [name for name in after if after[name] != before[name]] == ['photos/rose/rose_002.jpg']
    assert _run(*arguments) == 0
    out = capsys.readouterr().out
    assert out == 'All 15 photos are in %s and %s already\n' % (photos, held_out)


def test_same_seed_same_bytes(tmp_path):
    for name in 'ab':
        draw_flowers.write_photo(draw_flowers.Drawing(str(tmp_path / name), 'lily', (1, 5)))
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


@pytest.mark.parametrize(
    'arguments, message',
    [
        ([], '--output_dir is missing'),
        (['--output_dir=x', '--per_class=0'], '--per_class=0'),
        (['--output_dir=x', '--held_out_per_class=-1'], '--held_out_per_class=-1'),
        (['--output_dir=x', '--held_out_dir=./x'], '--held_out_dir'),
        (['--output_dir=x', '--held_out_dir=x/held_out'], '--held_out_dir'),
        (['--output_dir=x', '--per_class=many'], '--per_class=many'),
        (['--output_dir=x', 'more'], "unexpected argument 'more'"),
        (['--output_dir=/dev/null/x'], '/dev/null is a file'),
    ],
)
def test_a_user_error_is_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert _run(*arguments) == 1
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count('\n') == 1 and not captured.out
    assert not os.listdir(str(tmp_path))
