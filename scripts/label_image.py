"""Labels photos with a retrained graph.

  python -m scripts.label_image --image=photo.jpg \\
      --graph=tf_files/retrained_graph.pb --labels=tf_files/retrained_labels.txt

Size, mean, std and the layers are read off the graph: MobileNet's and Inception's alike. A flag
that is given always wins. Several photos, folders and globs are labelled in one go:

  python -m scripts.label_image --output_format=csv --output=labels.csv holiday/ 'more/*.png'
"""

import sys

from absl import flags

from scripts import command, files
from scripts.classifier import label_output
from scripts.dataset import finding
from scripts.dataset import labels as labels_lib
from scripts.errors import UserError
from scripts.progress import Progress

FLAGS = flags.FlagValues()
_CLASSIC_IMAGE = 'tf_files/flower_photos/daisy/3475870145_685a19116d.jpg'


def _text(name, default, meaning):
    flags.DEFINE_string(name, default, meaning, flag_values=FLAGS)


flags.DEFINE_multi_string(
    'image',
    [_CLASSIC_IMAGE],
    'A photo (JPEG, PNG, GIF or BMP), a folder of them, a glob, or several with commas '
    'between them; may be given more than once, or as arguments without --image.',
    flag_values=FLAGS,
)
_text('graph', 'tf_files/retrained_graph.pb', 'The graph that retrain wrote.')
_text('labels', 'tf_files/retrained_labels.txt', 'The labels that go with it.')
for name in ('input_height', 'input_width'):
    flags.DEFINE_integer(
        name,
        None,
        'Pixels; if not given, what the graph declares, or else 224 (299 where it is fed at Mul).',
        lower_bound=1,
        flag_values=FLAGS,
    )
for name, meaning in (
    ('input_mean', 'Subtracted from each pixel'),
    ('input_std', 'What each pixel is then divided by'),
):
    flags.DEFINE_float(
        name,
        None,
        meaning + '; if not given, 127.5 where the graph is fed at input, 128 at Mul.',
        flag_values=FLAGS,
    )
_text('input_layer', None, 'The node that is fed; if not given, input or Mul.')
_text(
    'output_layer',
    None,
    'The node that gives the scores; if not given, final_result or the only output.',
)
flags.DEFINE_integer(
    'top_k', 5, 'How many labels to show for a photo.', lower_bound=1, flag_values=FLAGS
)
flags.DEFINE_enum(
    'output_format',
    label_output.TEXT,
    label_output.FORMATS,
    'How the labels are written.',
    flag_values=FLAGS,
)
_text('output', None, 'The file to write; if not given, standard output.')


def main(values, arguments):
    """Labels photos; raises UserError where a person must do something.

    A photo that cannot be read among several is such a case; the others are labelled first.
    """
    if values.input_std == 0:
        raise UserError('--input_std=0: pixels are divided by it; expected a number such as 127.5')
    given = values['image'].present or not arguments
    paths = finding.image_paths(arguments + (values.image if given else []))
    labels = labels_lib.read(values.labels)
    graph_data = files.read(values.graph, 'graph')
    if values.output:
        files.check_writable(values.output)

    # TensorFlow takes a second to import: a person's mistakes are told before that.
    from scripts.graphs import graph_files

    graph_def = graph_files.parse(graph_data, values.graph)
    if len(paths) == 1 and values.output_format == label_output.TEXT and not values.output:
        _label_one(values, graph_def, labels, paths[0])
    else:
        _label_many(values, graph_def, labels, paths)


def _label_one(values, graph_def, labels, path):
    """Prints the labels of one photo the classic way."""
    from scripts.classifier import labelling

    graph_input, output = _layers(values, graph_def)
    scores = labelling.score(graph_def, graph_input, output, path)
    _check_label_count(values, labels, scores.values)
    print('\nEvaluation time (1-image): %.3fs\n' % scores.seconds)
    best = label_output.best_labels(scores.values, labels, values.top_k)
    sys.stdout.write(label_output.as_text(best))


def _label_many(values, graph_def, labels, paths):
    """Writes the labels of photos in the format and to the place that the flags say."""
    from scripts.classifier import labelling

    graph_input, output = _layers(values, graph_def)
    photos = []
    with Progress('Labelling', len(paths), 'photos') as progress:
        for group, scores, readable in labelling.score_many(graph_def, graph_input, output, paths):
            _check_label_count(values, labels, scores[0])
            for path, row, good in zip(paths[group], scores, readable):
                best = label_output.best_labels(row, labels, values.top_k) if good else None
                photos.append(label_output.Labelled(path, best))
            progress.advance(len(scores))
    text = label_output.render(photos, values.output_format)
    if values.output:
        files.write(values.output, text.encode('utf-8', 'surrogateescape'))
    else:
        sys.stdout.write(text)
    unreadable = sum(photo.best is None for photo in photos)
    if unreadable:
        raise UserError(
            '%d of %d photos cannot be read; the others are labelled' % (unreadable, len(photos))
        )


def _layers(values, graph_def):
    """Returns the `GraphInput` and the output's name: what flags give, the rest off the graph."""
    from scripts.classifier import labelling
    from scripts.images import graph_input as graph_input_lib

    graph_input = graph_input_lib.read_off(graph_def, values.input_layer)
    given = {name: values['input_' + name].value for name in graph_input.pixels._fields}
    pixels = graph_input.pixels._replace(
        **{name: value for name, value in given.items() if value is not None}
    )
    return graph_input._replace(pixels=pixels), labelling.output_of(graph_def, values.output_layer)


def _check_label_count(values, labels, scores):
    if len(scores) != len(labels):
        raise UserError(
            '%s holds %d labels, and the graph gives %d scores: give the labels that were written '
            'with the graph' % (values.labels, len(labels), len(scores))
        )


if __name__ == '__main__':
    command.run(main, FLAGS)
