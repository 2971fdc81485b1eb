"""Labels photos with a retrained graph.

  python -m scripts.label_image --image=photo.jpg \\
      --graph=tf_files/retrained_graph.pb --labels=tf_files/retrained_labels.txt

Size, mean, std and layers are read from the graph, for MobileNet and Inception alike; a flag on the
command line wins. One command labels several photos, folders and globs:

  python -m scripts.label_image --output_format=csv --output=labels.csv holiday/ 'more/*.png'

Or the frames of a camera or a video file, with the rate (OpenCV: requirements-camera.txt):

  python -m scripts.label_image --camera=0
"""

import contextlib
import os
import sys
import time

from scripts.common import command, files, flags, output_checks, printing
from scripts.common.errors import UserError
from scripts.common.progress import Progress
from scripts.dataset import finding
from scripts.dataset import labels as labels_lib
from scripts.images import exif
from scripts.images.settings import DECODINGS, EXIF_ROTATIONS
from scripts.inference import finished_graph, label_output

FLAGS = flags.FlagValues()
# Flags that are about photos.
_OF_PHOTOS = ('image', 'output_format', 'output', 'heatmap_dir')
_HEATMAP_SIZE = 640  # Pixels, the longer side.
_CLASSIC_IMAGE = 'tf_files/flower_photos/daisy/3475870145_685a19116d.jpg'


def _define_flags(define):
    photos, graph = define.group('Photos'), define.group('Graph')
    photos.strings(
        'image',
        [_CLASSIC_IMAGE],
        'A photo (JPEG, PNG, GIF or BMP), a folder of photos, a glob, or several separated by '
        'commas. May be given more than once, or as arguments without --image.',
    )
    flags.define_exif_rotation(photos, EXIF_ROTATIONS)
    flags.define_decode(photos, DECODINGS)
    flags.define_camera(
        photos, 'Label the frames of a camera, or of a video file up to its end, as they come'
    )
    flags.define_graph(graph, 'The graph that retrain wrote.')
    flags.define_graph_reading(graph)
    outputs = define.group('Outputs')
    flags.define_top_k(outputs, 'The number of labels per photo.')
    outputs.float(
        'min_score',
        0.0,
        'The lowest score that counts: a photo whose best label has less is labelled unknown. '
        'evaluate prints how many photos keep a label, and how many of these are right.',
        (0, 1),
    )
    outputs.choice(
        'output_format', label_output.TEXT, label_output.FORMATS, 'The format of the output.'
    )
    outputs.string('output', None, 'The file to write. Default: standard output.')
    outputs.string(
        'heatmap_dir',
        None,
        'Write a picture of each photo to this folder, with a heatmap over it: where the network '
        'found the best label (Grad-CAM).',
    )


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Labels photos; raises UserError for a user error.

    An unreadable photo among several is one; the others are labelled first.
    """
    settings = flags.reading_settings(values, finished_graph.Settings)
    finished_graph.check(settings)
    given = values['image'].present or not arguments
    if values.camera:
        _check_camera(values, arguments)
        paths = []
    else:
        paths = finding.image_paths(arguments + (values.image if given else []))
    graph_data = files.read(values.graph, 'graph')
    pictures = _check_outputs(values, paths)

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.

    graph = finished_graph.read(values.graph, graph_data, settings)
    if values.camera:
        _label_camera(values, graph)
        return
    with _heatmaps(graph, pictures) as heatmaps:
        labelled = _label(values, graph, paths)
        if heatmaps is not None:
            _write_heatmaps(heatmaps, graph, {path: pictures[path] for path in labelled})
    unreadable = len(paths) - len(labelled)
    if unreadable:
        raise UserError(
            '%d of %d photos are unreadable; the others are labelled' % (unreadable, len(paths))
        )


def _check_outputs(values, paths):
    """Returns a dict from photos to the paths of their heatmaps; raises UserError."""
    outputs, pictures = [('--output', values.output)], {}
    if values.output:
        output_checks.check_writable(values.output)
    if values.heatmap_dir is not None:
        if not values.heatmap_dir:
            raise UserError('--heatmap_dir is empty: expected a folder')
        pictures = _pictures(values.heatmap_dir, paths)
        for picture in pictures.values():
            output_checks.check_writable(picture)
        outputs += [('the heatmap of ' + path, picture) for path, picture in pictures.items()]
    inputs = [('--graph', values.graph), ('--labels', values.labels)]
    inputs += [('the photo', path) for path in paths]
    output_checks.check_distinct(outputs, inputs)
    return pictures


def _pictures(folder, paths):
    """Returns a dict from photos to their pictures in a folder, which has the same folders."""
    absolute = [os.path.abspath(path) for path in paths]
    top = os.path.commonpath([os.path.dirname(path) for path in absolute])
    pictures = {}
    for path, whole in zip(paths, absolute):
        name = os.path.relpath(whole, top)
        if not name.lower().endswith(('.jpg', '.jpeg')):
            name += '.jpg'
        pictures[path] = os.path.join(folder, name)
    return pictures


@contextlib.contextmanager
def _heatmaps(graph, pictures):
    """Gives the `Heatmaps` of a graph if any are wanted: whether there are any is checked first."""
    if not pictures:
        yield None
        return
    from scripts.inference import heatmaps as heatmaps_lib

    with heatmaps_lib.Heatmaps(graph.classifier) as heatmaps:
        yield heatmaps


def _write_heatmaps(heatmaps, graph, pictures):
    """Writes heatmaps over photos.

    Args:
      heatmaps: the `Heatmaps` of the graph.
      graph: the `finished_graph.Graph`.
      pictures: a dict from the paths of readable photos to those of their pictures.
    """
    from scripts.images import heat, thumbnails

    rotation = graph.classifier.graph_input.pixels.exif_rotation
    with Progress('Heatmaps', len(pictures), 'photos') as progress:
        for (path, picture), found in zip(pictures.items(), heatmaps.of_files(list(pictures))):
            photo = thumbnails.load(path, rotation, _HEATMAP_SIZE)
            if photo is not None and found is not None:
                files.write(picture, thumbnails.jpeg(heat.over(photo, found)))
            progress.advance(1)


def _check_camera(values, arguments):
    """Raises UserError if flags, or arguments, do not go with --camera."""
    others = ['--' + name for name in _OF_PHOTOS if values[name].present] + arguments
    if others:
        raise UserError(
            '--camera labels frames, a line of text for each: leave %s out' % ', '.join(others)
        )


def _label_camera(values, graph):
    """Prints a line for each frame, with the rate; on a terminal, one line that changes."""
    from scripts.images import camera as camera_lib
    from scripts.inference import labelling
    from scripts.inference.classifier import Resizer

    end = '\x1b[K\r' if sys.stdout.isatty() else '\n'  # The rest of the line before is erased.
    seconds, start = None, time.monotonic()
    with contextlib.ExitStack() as opened:
        camera = opened.enter_context(camera_lib.Camera(values.camera))
        scorer = opened.enter_context(labelling.Scorer(graph.classifier))
        resize = Resizer(graph.classifier.graph_input.pixels)
        opened.callback(resize.close)
        frames = opened.enter_context(contextlib.closing(camera_lib.newest(camera)))
        for number, frame in enumerate(frames, 1):
            Progress.raise_if_stopped()
            (scores,) = scorer.score_pixels(resize(frame)[None])
            finished_graph.check_label_count(graph.path, graph.labels, scores)
            best = label_output.best_labels(scores, graph.labels, values.top_k, values.min_score)
            now = time.monotonic()
            seconds = now - start if seconds is None else 0.9 * seconds + 0.1 * (now - start)
            start = now
            print(label_output.as_line(number, best, 1 / seconds), end=end, flush=True)
    if end != '\n':
        print()


def _label(values, graph, paths):
    """Prints or writes the labels of photos; returns the paths of the readable ones."""
    if len(paths) == 1 and values.output_format == label_output.TEXT and not values.output:
        _label_one(values, graph, paths[0])
        return paths
    photos = _label_many(values, graph, paths)
    return [photo.path for photo in photos if photo.best is not None]


def _label_one(values, graph, path):
    """Prints the labels of one photo the classic way."""
    from scripts.inference import labelling

    exif.report_rotated([path], graph.classifier.graph_input.pixels.exif_rotation)
    scores = labelling.score(graph.classifier, path)
    finished_graph.check_label_count(graph.path, graph.labels, scores.values)
    print('\nEvaluation time (1-image): %.3fs\n' % scores.seconds)
    best = label_output.best_labels(scores.values, graph.labels, values.top_k, values.min_score)
    sys.stdout.write(label_output.as_text(best))


def _label_many(values, graph, paths):
    """Writes the labels of photos in the format and to the place that the flags say.

    Returns:
      The list of `Labelled`.
    """
    from scripts.inference import labelling

    exif.report_rotated(paths, graph.classifier.graph_input.pixels.exif_rotation)
    photos = []
    with Progress('Labelling', len(paths), 'photos') as progress:
        for batch in labelling.score_many(graph.classifier, paths):
            finished_graph.check_label_count(graph.path, graph.labels, batch.values[0])
            for path, row, good in zip(paths[batch.photos], batch.values, batch.readable):
                best = label_output.best_labels(row, graph.labels, values.top_k, values.min_score)
                photos.append(label_output.Labelled(path, best if good else None))
            progress.advance(len(batch.values))
    text = label_output.render(photos, values.output_format)
    if values.output:
        files.write(values.output, text.encode('utf-8', 'surrogateescape'))
    elif sys.stdout.isatty():  # CSV holds names and labels as they are.
        sys.stdout.write('\n'.join(printing.printable(line) for line in text.split('\n')))
    else:
        sys.stdout.write(text)
    return photos


# The classic script's functions that other programs import.


def load_graph(model_file):
    """Returns a frozen graph as a tf.Graph whose nodes stand under `import/`.

    Raises:
      UserError: the file cannot be read, holds no graph, or holds operations that are not allowed.
    """
    from scripts.graphs import graph_files, importing

    return importing.as_graph(graph_files.read(model_file), 'import')


def read_tensor_from_image_file(
    file_name, input_height=299, input_width=299, input_mean=0, input_std=255
):
    """Returns `(pixel - input_mean) / input_std` of a photo, float32 `[1, height, width, 3]`.

    Raises:
      UserError: the photo is unreadable.
    """
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.images import settings, single

    spec = settings.PixelSpec(input_height, input_width, input_mean, input_std)
    return single.load(file_name, spec)


def load_labels(label_file):
    """Returns the list of labels in a file, one a line; raises UserError where there are none."""
    return labels_lib.read(label_file)


if __name__ == '__main__':
    command.run(main, FLAGS)
