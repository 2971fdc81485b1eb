"""Draws overview.png: photos that the demo's graph labels, beside the report on its test photos.

  .venv-tf2/bin/python -m docs.draw_overview

Runs the demo's commands in a temporary folder, so everything in the picture is real output. Needs
Chromium, for the report, and Pillow 10.1 or newer, for its font.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile

from PIL import Image, ImageDraw, ImageFont

DOCS = os.path.dirname(os.path.abspath(__file__))

PER_CLASS, COLUMNS, LABELS = 2, 2, 2
PHOTO = (176, 132)  # Pixels, at most.
BAR, GAP = 20, 14
LEGEND = 58  # Its height.
PAPER, EMPTY, INK, RULE = 'white', '#f3f4f6', '#111827', '#d1d5db'
TRUE, OTHER = '#93c5fd', '#fdba8c'
REPORT_WIDTH = 640

COMMANDS = [
    'sample.draw_flowers --output_dir=tf_files/sample_photos --held_out_dir=held_out '
    '--held_out_per_class=%d' % PER_CLASS,
    'retrain --image_dir=tf_files/sample_photos --architecture=sample --bottleneck_dir=bottlenecks '
    '--summaries_dir=summaries --output_graph=tf_files/sample_graph.pb '
    '--output_labels=tf_files/sample_labels.txt --how_many_training_steps=500 '
    '--eval_step_interval=100 --random_seed=1 --report=report.html',
    'label_image held_out --graph=tf_files/sample_graph.pb --output_format=json '
    '--output=labelled.json --top_k=%d' % LABELS,
]


def run_commands(folder):
    """Runs the demo's commands in `folder`; returns the labels of the held-out photos."""
    environment = dict(os.environ, PYTHONPATH=os.path.dirname(DOCS))
    for command in COMMANDS:
        arguments = ('scripts.' + command).split()
        subprocess.run([sys.executable, '-m', *arguments], cwd=folder, env=environment, check=True)
    with open(os.path.join(folder, 'labelled.json'), encoding='utf-8') as file:
        return json.load(file)


def screenshot(page, size):
    """Returns the top of a page of HTML, `size` pixels of it, as an RGB Pillow image."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'page.png')
        subprocess.run(
            [
                shutil.which('chromium') or shutil.which('google-chrome'),
                '--headless',
                '--no-sandbox',
                '--disable-gpu',
                '--hide-scrollbars',
                '--window-size=%d,%d' % size,
                '--screenshot=' + path,
                'file://' + page,
            ],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        return Image.open(path).convert('RGB')


def sheet(labelled, folder):
    """Returns photos and their labels as an RGB Pillow image."""
    tile = PHOTO[0] + GAP, PHOTO[1] + 2 * GAP + LABELS * (BAR + 4)
    rows = -(-len(labelled) // COLUMNS)
    image = Image.new('RGB', (COLUMNS * tile[0] + GAP, LEGEND + rows * tile[1]), PAPER)
    draw = ImageDraw.Draw(image)
    draw_legend(draw)
    for number, each in enumerate(labelled):
        left = GAP + number % COLUMNS * tile[0]
        top = LEGEND + number // COLUMNS * tile[1]
        with Image.open(os.path.join(folder, each['image'])) as photo:
            photo.thumbnail(PHOTO)
            corner = left + (PHOTO[0] - photo.width) // 2, top + (PHOTO[1] - photo.height) // 2
            image.paste(photo, corner)
        true = os.path.basename(each['image']).partition('_')[0]
        for line, pair in enumerate(each['labels']):
            draw_bar(draw, (left, top + PHOTO[1] + GAP // 2 + line * (BAR + 4)), pair, true)
    return image


def draw_legend(draw):
    """Draws what the bars and their colours mean."""
    draw.text((GAP, 8), 'Photos that training has not seen', INK, font(15))
    x, y = GAP, 34
    for colour, words in ((TRUE, 'score of the true label'), (OTHER, 'of another label')):
        draw.rectangle((x, y, x + 14, y + 14), colour)
        draw.text((x + 20, y), words, INK, font())
        x += 20 + draw.textlength(words, font()) + GAP


def draw_bar(draw, place, pair, true):
    """Draws a label and its score."""
    x, y = place
    colour = TRUE if pair['label'] == true else OTHER
    draw.rectangle((x, y, x + PHOTO[0] - 1, y + BAR - 1), EMPTY)
    draw.rectangle((x, y, x + round(pair['score'] * (PHOTO[0] - 1)), y + BAR - 1), colour)
    draw.text((x + 6, y + 2), pair['label'], INK, font())
    draw.text((x + PHOTO[0] - 42, y + 2), '%.0f%%' % (100 * pair['score']), INK, font())


def font(size=13):
    """Returns Pillow's own font."""
    return ImageFont.load_default(size)


def main():
    """Writes overview.png beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        photos = sheet(run_commands(folder), folder)
        report = screenshot(os.path.join(folder, 'report.html'), (REPORT_WIDTH, photos.height))
    image = Image.new('RGB', (photos.width + report.width + 1, photos.height), RULE)
    image.paste(photos, (0, 0))
    image.paste(report, (photos.width + 1, 0))
    image.save(os.path.join(DOCS, 'overview.png'), optimize=True)


if __name__ == '__main__':
    main()
