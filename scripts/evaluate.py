"""Evaluates a graph on photos whose labels are known.

  python -m scripts.evaluate tf_files/retrained_graph.pb --image_dir=tf_files/flower_photos
  python -m scripts.evaluate GRAPH --image_dir=PHOTOS --report=report.html --predictions=all.csv
  python -m scripts.evaluate float.pb quantized.pb --image_dir=PHOTOS

prints accuracy and cross entropy over the test photos, precision, recall and F1 for each label,
and the confusion matrix; or, of several graphs, a table side by side. Size, mean, std and the
layers are read off each graph, as label_image does it; a flag that is given always wins.
"""

import datetime
import logging
import typing

from scripts import command, files, graph_flags
from scripts.command import flags
from scripts.dataset import labels as labels_lib
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.errors import UserError
from scripts.evaluation import selection, text

_LOG = logging.getLogger('scripts.evaluate')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()


class _Graph(typing.NamedTuple):
    """A graph's path, its bytes, the GraphDef, its `GraphInput` and its output's name."""

    path: str
    data: bytes
    graph_def: typing.Any
    graph_input: typing.Any
    output_name: str


def _define_flags():
    def string(name, default, meaning):
        flags.DEFINE_string(name, default, meaning, flag_values=FLAGS)

    def whole(name, default, meaning, lowest, highest=None):
        flags.DEFINE_integer(
            name, default, meaning, lower_bound=lowest, upper_bound=highest, flag_values=FLAGS
        )

    string('graph', 'tf_files/retrained_graph.pb', 'The graph; several are given without --graph=.')
    string('labels', 'tf_files/retrained_labels.txt', 'The labels that go with it.')
    string('image_dir', '', 'The folder of class-named sub-folders of .jpg or .jpeg photos.')
    flags.DEFINE_enum(
        'category',
        split_lib.TESTING,
        [split_lib.TESTING, split_lib.TRAINING, split_lib.VALIDATION, selection.ALL],
        'Which photos of the folder to evaluate on.',
        flag_values=FLAGS,
    )
    whole('testing_percentage', 10, 'As it was in training, so that the split is the same.', 0, 100)
    whole('validation_percentage', 10, 'Likewise.', 0, 100)
    flags.DEFINE_enum(
        'split_key',
        split_lib.BY_PATH,
        [split_lib.BY_PATH, split_lib.BY_NAME],
        'Likewise: what decides the category of a photo, its path as typed or <folder>/<file>.',
        flag_values=FLAGS,
    )
    graph_flags.define(FLAGS)
    whole('top_k', 5, 'Up to how many best labels to look for the true one among.', 1)
    string('report', None, 'Where to write the evaluation as one page of HTML.')
    string('predictions', None, 'Where to write the scores of every photo, as CSV.')
    string('summaries_dir', None, "The training's summaries, for learning curves in the report.")


_define_flags()


def main(values, arguments):
    """Evaluates as the parsed flags say; raises UserError where a person must do something."""
    paths = _graph_paths(values, arguments)
    _check_flags(values, paths)
    labels = labels_lib.read(values.labels)
    data = [files.read(path, 'graph') for path in paths]
    split = split_lib.Split(
        values.testing_percentage, values.validation_percentage, values.split_key
    )
    dataset = photos_lib.load(values.image_dir, split)
    photos = selection.photos_of(dataset, values.category, labels)

    # TensorFlow takes a second to import: a person's mistakes are told before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.evaluation import curves as curves_lib
    from scripts.evaluation import evaluating

    curves = curves_lib.read(values.summaries_dir) if values.summaries_dir else None
    graphs = [_open(path, each, values) for path, each in zip(paths, data)]
    evaluations = [evaluating.evaluate(*graph[2:], labels, photos) for graph in graphs]
    if len(graphs) > 1:
        compared = [
            text.Compared(
                graph.path,
                evaluation,
                len(graph.data),
                evaluating.milliseconds_a_photo(*graph[2:]),
            )
            for graph, evaluation in zip(graphs, evaluations)
        ]
        print('\n'.join(text.comparison(compared)))
        return
    print('\n'.join(text.summary(evaluations[0], values.top_k)))
    _write_files(values, graphs[0], evaluations[0], curves)


def _graph_paths(values, arguments):
    if not arguments:
        return [values.graph]
    if values['graph'].present:
        raise UserError(
            '--graph=%s and %s: give the graph once; several go without --graph='
            % (values.graph, arguments[0])
        )
    return arguments


def _check_flags(values, paths):
    graph_flags.check(values)
    if values.testing_percentage + values.validation_percentage > 100:
        raise UserError(
            '--testing_percentage=%d and --validation_percentage=%d are more than 100 together'
            % (values.testing_percentage, values.validation_percentage)
        )
    for name in ('report', 'predictions'):
        path = values[name].value
        if path is None:
            continue
        if not path:
            raise UserError('--%s is empty: expected the name of a file to write' % name)
        if len(paths) > 1:
            raise UserError('--%s is about one graph, found %d: give one' % (name, len(paths)))
        files.check_writable(path)
    if values.report is not None and values.report == values.predictions:
        raise UserError('--report and --predictions are both %s: make them two' % values.report)
    if values.summaries_dir and values.report is None:
        raise UserError('--summaries_dir is for learning curves in the report: add --report=FILE')


def _open(path, data, values):
    """Returns the `_Graph`, with what the flags say in the place of what it says itself."""
    from scripts.graphs import graph_files

    graph_def = graph_files.parse(data, path)
    return _Graph(path, data, graph_def, *graph_flags.layers(values, graph_def))


def _write_files(values, graph, evaluation, curves):
    from scripts.evaluation import predictions, report

    if values.predictions is not None:
        predictions.write(values.predictions, evaluation)
        _LOG.info('\nThe scores of every photo are in %s', values.predictions)
    if values.report is not None:
        subject = report.subject_of(
            graph.path, graph.data, (values.image_dir, values.category), datetime.datetime.now()
        )
        report.write(values.report, evaluation, subject, curves, values.top_k)
        _LOG.info('\nThe report is %s', values.report)


if __name__ == '__main__':
    command.run(main, FLAGS)
