"""The documentation: its form, its links, and that what is made from the code is up to date."""

import os
import re

import pytest
from PIL import Image

from docs import draw_house, draw_overview, make_flags
from tests.conftest import REPOSITORY
from tests.test_readme import DOCUMENTS, read


def anchors(text):
    """Returns the anchors that GitHub gives the headings of a page in Markdown."""
    text = re.sub(r'^```.*?^```', '', text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r'^#+ (.*)$', text, re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', each.lower()).replace(' ', '-') for each in headings}


@pytest.mark.parametrize('name', DOCUMENTS)
def test_links_resolve(name):
    for target in re.findall(r'\]\(([^)]*)\)', read(name)):
        if ':' in target:
            assert re.fullmatch(r'https?://[\w.-]+\.[a-z]+(/[\w./-]*)?', target), target
            continue
        path, _, anchor = target.partition('#')
        path = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
        assert os.path.exists(os.path.join(REPOSITORY, path)), target
        assert not anchor or anchor in anchors(read(path)), target


def test_every_page_is_linked_from_the_readme():
    pages = [name for name in DOCUMENTS if name.startswith('docs' + os.sep)]
    assert len(pages) >= 9
    assert [name for name in pages if '](%s)' % name not in read('README.md')] == []


def test_the_readme_is_short_and_begins_with_the_point():
    lines = read('README.md').splitlines()
    assert len(lines) <= 150
    first = '\n'.join(lines[:40])
    assert re.search(r'!\[.+\]\(.+\.png\)', first), 'a picture'
    assert '```sh\nsh scripts/demo.sh\n```' in first, 'the main command'
    assert re.search(r'^tulip \(score=0\.\d{5}\)$', first, re.MULTILINE), 'its output'


@pytest.mark.parametrize('name', DOCUMENTS)
def test_lines_are_no_longer_than_a_terminal(name):
    is_table = re.compile(r'^\||^ *\d+\. |http')
    long = [line for line in read(name).splitlines() if len(line) > 112]
    assert [line for line in long if not is_table.search(line)] == []


def test_the_page_of_flags_is_up_to_date():
    assert read(os.path.join('docs', 'flags.md')) == make_flags.text(), (
        'run python -m docs.make_flags'
    )


def test_the_picture_of_the_house_is_up_to_date():
    assert read(os.path.join('docs', 'house.svg')) == draw_house.svg(), (
        'run python -m docs.draw_house'
    )


def test_the_picture_says_what_its_colours_mean():
    colours = {draw_overview.TRUE, draw_overview.OTHER}
    with Image.open(os.path.join(REPOSITORY, 'docs', 'overview.png')) as picture:
        legend = picture.convert('RGB').crop((0, 0, picture.width // 2, draw_overview.LEGEND))
    found = {'#%02x%02x%02x' % colour for _, colour in legend.getcolors(1 << 16)}
    assert found >= colours
