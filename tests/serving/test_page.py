"""The page in Chromium, with photos whose names, and a graph whose labels, are odd on purpose."""

import base64
import json
import os
import shutil
import threading

import numpy as np
import pytest
from PIL import Image

from scripts.serving.app import App
from scripts.serving.server import Server
from scripts.serving.settings import Limits
from tests.inference.test_heatmaps import graph_of, patches
from tests.serving.browser import Browser
from tests.serving.test_app import LABELS, NAME, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.xdist_group('page'),
    pytest.mark.skipif(not shutil.which('chromium'), reason='there is no chromium on the path'),
]
ODD = '<img src=x onerror=alert(1)> "a" \u202e\'gnp.b\t.png'
SHOWN = '[...document.querySelectorAll("%s")].map((each) => each.textContent)'


class Camera:
    """A camera that is blue in one corner."""

    def __init__(self):
        self.image = (255 * patches((2, 0, 2, 1))[0]).astype(np.uint8)

    def next(self, after, seconds):
        threading.Event().wait(0.02)
        return after + 1, self.image


@pytest.fixture(scope='module')
def url(tmp_path_factory):
    limits = Limits(receive_seconds=10)
    model = served(tmp_path_factory.mktemp('graph'), graph_of(), limits)
    server = Server(('127.0.0.1', 0), App(model, limits, Camera()), limits)
    server.start()
    yield server.url
    server.stop()
    model.close()


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    with Browser(str(tmp_path_factory.mktemp('profile'))) as browser:
        yield browser


@pytest.fixture
def page(browser, url):
    """The page, as it is at first; it has to end without an error in its console."""
    browser.show(url)
    browser.wait('document.getElementById("about").textContent')
    browser.errors.clear()
    yield browser
    assert browser.errors == []


@pytest.fixture
def photo(tmp_path):
    """The path of a photo that is green in one corner, under an odd name."""
    path = os.path.join(str(tmp_path), ODD)
    pixels = (255 * patches((0, 2, 1, 1))[0]).astype(np.uint8)
    Image.fromarray(pixels).resize((480, 240)).save(path, 'PNG')
    return path


def click(page, name):
    page.evaluate('document.getElementById("%s").click()' % name)


def check_green(page):
    """Checks the only card: of a photo that is green."""
    page.wait('document.querySelectorAll(".cards .scores li").length == 3')
    assert page.evaluate(SHOWN % '.cards .scores li:first-child bdi') == [LABELS[1]]
    assert page.evaluate(SHOWN % '.cards .file') == [ODD]
    assert page.evaluate('document.querySelector(".cards img").alt') == ODD
    assert page.evaluate('document.getElementById("said").textContent').startswith(ODD + ': gr')


def heat_at(page, canvas):
    """Returns how bright the heatmap is at its places, or None where none is shown."""
    return page.evaluate(
        """(() => {
          const canvas = document.querySelector('%s');
          if (canvas.hidden) return null;
          const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          return [...data].filter((_, place) => place %% 4 === 0);
        })()"""
        % canvas
    )


def test_names_and_labels_are_text(page, photo):
    assert page.evaluate('document.getElementById("name").textContent') == NAME
    assert page.evaluate('document.title') == NAME + ': label photos'
    page.choose('#files', [photo])
    check_green(page)
    assert page.evaluate('document.querySelectorAll(".cards img").length') == 1


@pytest.mark.parametrize('event', ['drop', 'paste'])
def test_photos_are_dropped_and_pasted(page, photo, event):
    with open(photo, 'rb') as file:
        data = base64.b64encode(file.read()).decode('ascii')
    place = {'drop': 'dataTransfer', 'paste': 'clipboardData'}[event]
    kind = {'drop': 'DragEvent', 'paste': 'ClipboardEvent'}[event]
    page.evaluate(
        """{
          const bytes = Uint8Array.from(atob('%s'), (each) => each.charCodeAt(0));
          const files = new DataTransfer();
          files.items.add(new File([bytes], %s, {type: 'image/png'}));
          document.body.dispatchEvent(
            new %s('%s', {%s: files, bubbles: true, cancelable: true}));
        }"""
        % (data, json.dumps(ODD), kind, event, place)
    )
    check_green(page)


def test_the_heatmap_goes_on_and_off(page, photo):
    page.choose('#files', [photo])
    check_green(page)
    assert heat_at(page, '.cards canvas') is None
    click(page, 'heat')
    page.wait('!document.querySelector(".cards canvas").hidden')
    heat = heat_at(page, '.cards canvas')
    assert heat[2] > 240 and sum(heat) < heat[2] + 30
    size = 'document.querySelector(".cards %s").getBoundingClientRect().width'
    assert abs(page.evaluate(size % 'canvas') - page.evaluate(size % 'img')) < 1
    click(page, 'heat')
    page.wait('document.querySelector(".cards canvas").hidden')
    click(page, 'clear')
    assert page.evaluate('document.getElementById("labelled").hidden')


def test_the_browsers_camera_is_labelled_live(page):
    click(page, 'heat')
    click(page, 'own')
    page.wait('document.querySelectorAll("#livescores li").length == 3')
    page.wait('parseFloat(document.getElementById("rate").textContent) > 0')
    page.wait('!document.getElementById("liveheat").hidden')
    # Chromium's fake camera is green.
    assert page.evaluate(SHOWN % '#livescores bdi')[0] == LABELS[1]
    assert page.wait('document.getElementById("said").textContent') == LABELS[1]
    click(page, 'own')
    page.wait('document.getElementById("live").hidden')
    assert page.evaluate('document.getElementById("video").srcObject') is None


def test_the_servers_camera_is_shown_and_labelled(page):
    click(page, 'heat')
    click(page, 'served')
    page.wait('document.querySelectorAll("#livescores li").length == 3')
    assert page.evaluate(SHOWN % '#livescores bdi')[0] == LABELS[2]
    assert page.wait('document.getElementById("frame").naturalWidth') == 24
    page.wait('!document.getElementById("liveheat").hidden')
    assert np.argmax(heat_at(page, '#liveheat')) == 6
    click(page, 'own')
    page.wait('!document.getElementById("video").hidden')
    click(page, 'own')


def test_a_bad_photo_says_what_is_wrong(page, tmp_path):
    (tmp_path / 'bad.jpg').write_bytes(b'RIFF\0\0\0\0WEBP')
    page.choose('#files', [str(tmp_path / 'bad.jpg')])
    page.wait('!!document.querySelector(".cards .error:not([hidden])")')
    assert page.evaluate(SHOWN % '.cards .error') == ['the photo is unreadable: it is a WebP image']
    # The only errors are those that Chromium itself notes: of the answer, and of the picture.
    assert [error for error in page.errors if 'Failed to load resource' not in error] == []
    page.errors.clear()


def test_all_is_reached_by_the_keyboard(page):
    reached = []
    for _ in range(4):
        page.press('Tab', 9)
        reached.append(page.evaluate('document.activeElement.id'))
    assert reached == ['files', 'own', 'served', 'heat']
    assert page.evaluate('getComputedStyle(document.activeElement).outlineStyle') == 'solid'
    page.press(' ', 32, ' ')
    assert page.evaluate('document.getElementById("heat").checked')


def test_each_control_has_a_name(page, photo):
    page.choose('#files', [photo])
    check_green(page)
    tree = page.call('Accessibility.getFullAXTree')['nodes']
    kinds = ('button', 'checkbox', 'image', 'region', 'heading')
    nodes = [node for node in tree if node.get('role', {}).get('value') in kinds]
    assert len(nodes) >= 9
    assert all(node['name']['value'].strip() for node in nodes)


@pytest.mark.parametrize('width', [390, 1280])
@pytest.mark.parametrize('dark', [False, True])
def test_it_fits_narrow_and_wide_dark_and_light(page, url, photo, tmp_path, width, dark):
    page.show(url, width, 1200, dark)
    page.choose('#files', [photo])
    check_green(page)
    assert page.evaluate('document.documentElement.scrollWidth <= innerWidth')
    picture = str(tmp_path / 'page.png')
    page.screenshot(picture)
    pixels = np.array(Image.open(picture).convert('L'), np.int64)
    assert pixels.shape[1] == width
    paper = pixels[:, 2]
    assert (paper < 60).all() if dark else (paper > 240).all()
    assert (pixels > 200).sum() > 500 and (pixels < 60).sum() > 500
