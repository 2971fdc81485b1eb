"""Draws labelled.png: photos that training has not seen, and the labels that the demo gives them.

  .venv-tf2/bin/python docs/draw_labelled.py

It runs the demo's commands in a folder of its own; Pillow must be 10.1 or newer, for its font.
"""

import json
import os
import subprocess
import sys
import tempfile

from PIL import Image, ImageDraw, ImageFont

DOCS = os.path.dirname(os.path.abspath(__file__))

PER_CLASS, COLUMNS, LABELS = 3, 5, 3
PHOTO = (200, 160)  # Pixels, at most.
BAR, GAP = 22, 16
LEGEND = 34  # Its height.
PAPER, EMPTY, INK = 'white', '#f3f4f6', '#111827'
TRUE, OTHER = '#93c5fd', '#fdba8c'

COMMANDS = [
    'sample.draw_flowers --output_dir=tf_files/sample_photos --held_out_dir=held_out '
    '--held_out_per_class=%d' % PER_CLASS,
    'retrain --image_dir=tf_files/sample_photos --architecture=sample --bottleneck_dir=bottlenecks '
    '--summaries_dir=summaries --output_graph=graph.pb --output_labels=labels.txt '
    '--how_many_training_steps=500 --eval_step_interval=100 --random_seed=1',
    'label_image held_out --graph=graph.pb --labels=labels.txt --output_format=json '
    '--output=labelled.json --top_k=%d' % LABELS,
]


def label(folder):
    """Returns what label_image says of photos that the demo's graph was not trained on."""
    environment = dict(os.environ, PYTHONPATH=os.path.dirname(DOCS))
    for command in COMMANDS:
        arguments = ('scripts.' + command).split()
        subprocess.run([sys.executable, '-m', *arguments], cwd=folder, env=environment, check=True)
    with open(os.path.join(folder, 'labelled.json'), encoding='utf-8') as file:
        return json.load(file)


def sheet(labelled, folder):
    """Returns the picture, an RGB Pillow image, of photos in a folder."""
    tile = PHOTO[0] + GAP, PHOTO[1] + GAP + LABELS * (BAR + 4)
    lines = -(-len(labelled) // COLUMNS)
    size = COLUMNS * tile[0] + GAP, LEGEND + lines * (tile[1] + GAP)
    image = Image.new('RGB', size, PAPER)
    draw = ImageDraw.Draw(image)
    draw_legend(draw)
    for number, each in enumerate(labelled):
        left = GAP + number % COLUMNS * tile[0]
        top = LEGEND + number // COLUMNS * (tile[1] + GAP)
        with Image.open(os.path.join(folder, each['image'])) as photo:
            photo.thumbnail(PHOTO)
            corner = left + (PHOTO[0] - photo.width) // 2, top + (PHOTO[1] - photo.height) // 2
            image.paste(photo, corner)
        true = os.path.basename(each['image']).partition('_')[0]
        for line, pair in enumerate(each['labels']):
            draw_bar(draw, (left, top + PHOTO[1] + GAP // 2 + line * (BAR + 4)), pair, true)
    return image


def draw_legend(draw):
    """Says at the top what the colours mean."""
    x, y = GAP, GAP // 2
    for colour, words in ((TRUE, 'the true label'), (OTHER, 'another label')):
        draw.rectangle((x, y, x + BAR, y + BAR - 6), colour)
        draw.text((x + BAR + 6, y), words, INK, font())
        x += BAR + 6 + draw.textlength(words, font()) + 2 * GAP
    draw.text((x, y), 'A bar is as long as the score of its label; the best three.', INK, font())


def draw_bar(draw, place, pair, true):
    """Draws a label and its score."""
    x, y = place
    colour = TRUE if pair['label'] == true else OTHER
    draw.rectangle((x, y, x + PHOTO[0] - 1, y + BAR - 1), EMPTY)
    draw.rectangle((x, y, x + round(pair['score'] * (PHOTO[0] - 1)), y + BAR - 1), colour)
    draw.text((x + 6, y + 3), pair['label'], INK, font())
    draw.text((x + PHOTO[0] - 50, y + 3), '%.0f%%' % (100 * pair['score']), INK, font())


def font():
    """Returns Pillow's own font."""
    return ImageFont.load_default(13)


def main():
    """Writes labelled.png beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        sheet(label(folder), folder).save(os.path.join(DOCS, 'labelled.png'), optimize=True)


if __name__ == '__main__':
    main()
