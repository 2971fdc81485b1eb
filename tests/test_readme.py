"""The README tells the truth: its commands run as written, its links and flags are there."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from scripts import label_image, quantize_graph, retrain
from tests import pictures, stand_ins
from tests.conftest import REPOSITORY

# What CI runs itself, and what does not end by itself.
_RUN_ELSEWHERE = ('sh scripts/demo.sh', 'sh tests/run.sh', 'pip install ', 'tensorboard ')


def readme():
    with open(os.path.join(REPOSITORY, 'README.md'), encoding='utf-8') as file:
        return file.read()


def commands():
    """Returns the command lines of the README's `sh` blocks, in order."""
    blocks = re.findall(r'^```sh\n(.*?)^```', readme(), re.MULTILINE | re.DOTALL)
    lines = ''.join(blocks).replace('\\\n', ' ').splitlines()
    lines = [re.sub(r'\s+#.*', '', line).strip() for line in lines]
    return [line for line in lines if line and not line.startswith(_RUN_ELSEWHERE)]


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.timeout(1200)
def test_every_command_line_runs_as_written(tmp_path):
    for name in ('scripts', os.path.join('tf_files', 'models', 'sample')):
        shutil.copytree(os.path.join(REPOSITORY, name), str(tmp_path / name))
    # `python` is this one, as in an activated virtual environment.
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ.get('PATH', '')
    # What the README says that a person has: photos, and a network that was downloaded.
    pictures.draw_classes(str(tmp_path / 'my_photos'), 24)
    pictures.draw(str(tmp_path / 'photo.jpg'), pictures.COLOURS['Red'], 1)
    stand_ins.install('mobilenet_0.50_224', str(tmp_path / 'tf_files' / 'models'))
    lines = commands()
    assert len(lines) >= 8
    for line in lines:
        ended = subprocess.run(
            ['sh', '-c', line],
            cwd=str(tmp_path),
            env=dict(os.environ, PATH=path),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            timeout=300,
        )
        assert ended.returncode == 0, '%s\n%s' % (line, ended.stdout)


@pytest.mark.parametrize('module', [retrain, label_image, quantize_graph])
def test_every_flag_is_in_the_readme(module):
    text = readme()
    missing = [name for name in module.FLAGS if '--%s' % name not in text]
    assert not missing


def test_every_link_and_picture_is_there():
    for name in ('README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'):
        with open(os.path.join(REPOSITORY, name), encoding='utf-8') as file:
            for link in re.findall(r'\]\(([^)#:]+)\)', file.read()):
                assert os.path.exists(os.path.join(REPOSITORY, link)), link


def test_the_picture_says_what_its_colours_mean():
    colours = {(147, 197, 253), (253, 186, 140)}  # Of docs/draw_labelled.py.
    with Image.open(os.path.join(REPOSITORY, 'docs', 'labelled.png')) as picture:
        legend = picture.convert('RGB').crop((0, 0, picture.width, 30))
    assert {colour for _, colour in legend.getcolors(1 << 16)} >= colours
