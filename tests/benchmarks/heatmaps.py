"""Measures how much of the heat is on the photo, where the photo is in one half of a canvas.

  python -m tests.benchmarks.heatmaps GRAPH [GRAPH ...]

Each graph is one that `retrain` wrote of the flower photos. 50 photos, each in the left or the
right half of a grey canvas; what is printed is the mean fraction of the heat in that half.
"""

import argparse
import glob
import os
import tempfile

import numpy as np
import tensorflow.compat.v1 as tf
from PIL import Image

from scripts.common import files
from scripts.inference import finished_graph, heatmaps
from tests.conftest import SHARED_DATA

PHOTOS = 50
SIDE = 448  # Pixels, of the canvas.
GREY = (128, 128, 128)


def draw_halves(photo_dir, folder, count=PHOTOS):
    """Draws photos in the left half (even ones) or the right half of a canvas; returns paths."""
    photos = sorted(glob.glob(os.path.join(photo_dir, '*', '*.jpg')))
    paths = []
    for number, path in enumerate(photos[:: len(photos) // count][:count]):
        canvas = Image.new('RGB', (SIDE, SIDE), GREY)
        with Image.open(path) as image:
            photo = image.convert('RGB')
            photo.thumbnail((SIDE // 2, SIDE))
        left = number % 2 * (SIDE // 2) + (SIDE // 2 - photo.width) // 2
        canvas.paste(photo, (left, (SIDE - photo.height) // 2))
        paths.append(os.path.join(folder, '%02d.png' % number))
        canvas.save(paths[-1])
    return paths


def fraction_inside(heat, is_right):
    """Returns how much of a heatmap is in a half; a middle column is a half of each."""
    columns = heat.sum(axis=0)
    left = np.clip(heat.shape[1] / 2 - np.arange(heat.shape[1]), 0, 1)
    inside = columns * (1 - left if is_right else left)
    return inside.sum() / max(columns.sum(), 1e-12)


def measure(path):
    """Returns the mean fraction of the heat that is on the photo, for the graph at a path."""
    graph = finished_graph.read(path, files.read(path, 'graph'))
    with tempfile.TemporaryDirectory() as folder, heatmaps.Heatmaps(graph.classifier) as heat:
        paths = draw_halves(os.path.join(SHARED_DATA, 'flower_photos'), folder)
        found = enumerate(heat.of_files(paths))
        return np.mean([fraction_inside(each, number % 2) for number, each in found])


def main():
    """Prints a line for each graph."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('graph', nargs='+')
    for path in parser.parse_args().graph:
        print('TensorFlow %s  %s  %.1f%%' % (tf.VERSION, path, 100 * measure(path)))


if __name__ == '__main__':
    main()
