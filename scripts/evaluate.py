"""Evaluates a graph on photos whose labels are known.

  python -m scripts.evaluate tf_files/retrained_graph.pb --image_dir=tf_files/flower_photos
  python -m scripts.evaluate GRAPH --image_dir=PHOTOS --report=report.html --predictions=all.csv
  python -m scripts.evaluate float.pb quantized.pb --image_dir=PHOTOS

It prints the accuracy and cross entropy on the test photos, precision, recall and F1 of each label,
and the confusion matrix; for several graphs, a table that compares them. Size, mean, std and layers
are read from each graph, as label_image does; a flag on the command line wins.
"""

import datetime
import logging
import os

from scripts.common import command, files, flags, output_checks
from scripts.common.errors import UserError
from scripts.dataset import extensions as extensions_lib
from scripts.dataset import groups as groups_lib
from scripts.dataset import labels as labels_lib
from scripts.dataset import listing
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.evaluation import selection, text
from scripts.images import exif
from scripts.images.settings import APPLY, DECODINGS, EXIF_ROTATIONS, IGNORE
from scripts.inference import finished_graph

_LOG = logging.getLogger('scripts.evaluate')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()


# Where the classic tutorial has its photos.
_CLASSIC_IMAGE_DIR = 'tf_files/flower_photos'

# The fields of a `Split`, and the flags that set them.
_SPLIT_FLAGS = {
    'testing_percentage': 'testing_percentage',
    'validation_percentage': 'validation_percentage',
    'key': 'split_key',
    'image_dir': 'split_image_dir',
}


def _define_flags(define):
    graph = define.group('Graph')
    flags.define_graph(graph, 'The graph. To compare several, give them without --graph=.')
    flags.define_graph_reading(graph)
    photos = define.group('Photos')
    flags.define_photos(
        photos,
        _CLASSIC_IMAGE_DIR,
        extensions_lib.DECODED,
        [split_lib.BY_PATH, split_lib.BY_NAME],
        is_described=True,
    )
    photos.string(
        'split_image_dir',
        None,
        'The folder as it was typed in training, which decides the split, wherever the photos are '
        'now. Default: as the graph says, otherwise --image_dir.',
    )
    flags.define_groups(photos, None)
    photos.choice(
        'category',
        split_lib.TESTING,
        [split_lib.TESTING, split_lib.TRAINING, split_lib.VALIDATION, selection.ALL],
        'The photos to evaluate on.',
    )
    flags.define_exif_rotation(photos, EXIF_ROTATIONS)
    flags.define_decode(photos, DECODINGS)
    outputs = define.group('Outputs')
    flags.define_top_k(outputs, 'Up to which number of top labels to count the true one.')
    flags.define_report(outputs, None)
    outputs.string(
        'summaries_dir', None, 'The summaries of the training, for learning curves in the report.'
    )
    outputs.string('predictions', None, 'Write the scores of every photo to this file, as CSV.')


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Evaluates as the parsed flags say; raises UserError for a user error."""
    paths = _graph_paths(values, arguments)
    settings = flags.reading_settings(values, finished_graph.Settings)
    _check_flags(values, settings, paths)
    data = [files.read(path, 'graph') for path in paths]

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.evaluation import curves as curves_lib
    from scripts.evaluation import evaluating

    curves = curves_lib.read(values.summaries_dir) if values.summaries_dir else None
    graphs = [finished_graph.read(path, each, settings) for path, each in zip(paths, data)]
    _check_comparable(graphs)
    dataset = _dataset(values, graphs[0])
    photos = selection.photos_of(dataset, values.category, graphs[0].labels)
    output_checks.check_distinct(
        [('--report', values.report), ('--predictions', values.predictions)],
        [('the graph', path) for path in paths]
        + [('--labels', values.labels)]
        + [('the photo', photo.path) for photo in dataset.photos],
    )
    counted = selection.count(dataset, values.category, photos)
    rotations = {graph.classifier.graph_input.pixels.exif_rotation for graph in graphs}
    exif.report_rotated([photo.path for photo in photos], IGNORE if IGNORE in rotations else APPLY)
    evaluations = [evaluating.evaluate(each.classifier, each.labels, photos) for each in graphs]
    if len(graphs) > 1:
        print('\n'.join(text.comparison(_compared(graphs, evaluations)) + ['', counted]))
        return
    print('\n'.join(text.summary(evaluations[0], counted, values.top_k)))
    _write_files(values, dataset.folders, graphs[0], evaluations[0], curves)


def _compared(graphs, evaluations):
    from scripts.evaluation import evaluating

    return [
        text.Compared(
            graph.path,
            evaluation,
            len(graph.data),
            evaluating.milliseconds_a_photo(graph.classifier),
        )
        for graph, evaluation in zip(graphs, evaluations)
    ]


def _graph_paths(values, arguments):
    if not arguments:
        return [values.graph]
    if values['graph'].present:
        raise UserError(
            '--graph=%s and %s: give the graph once; several go without --graph='
            % (values.graph, arguments[0])
        )
    return arguments


def _check_flags(values, settings, paths):
    finished_graph.check(settings)
    if values.image_extensions is not None:
        extensions_lib.parse(values.image_extensions)
    for name in ('report', 'predictions'):
        path = values[name].value
        if path is None:
            continue
        if not path:
            raise UserError('--%s is empty: expected the name of a file to write' % name)
        if len(paths) > 1:
            raise UserError('--%s is about one graph, found %d: give one' % (name, len(paths)))
        output_checks.check_writable(path)
    if values.summaries_dir and values.report is None:
        raise UserError('--summaries_dir is for learning curves in the report: add --report=FILE')


def _check_comparable(graphs):
    """Raises UserError if the labels of graphs differ; warns if their test photos may."""
    first = graphs[0]
    for graph in graphs[1:]:
        if graph.labels != first.labels:
            raise UserError(
                'the labels of %s and %s differ (%s; %s): evaluate each alone'
                % (
                    first.path,
                    graph.path,
                    ', '.join(labels_lib.shortened(first.labels)),
                    ', '.join(labels_lib.shortened(graph.labels)),
                )
            )
        described = [each.description and each.description.photos for each in (first, graph)]
        if described[0] != described[1]:
            _LOG.warning(
                '%s and %s do not say that their photos were split in the same way: one of them '
                'may have been trained on some of these photos',
                first.path,
                graph.path,
            )


def _dataset(values, graph):
    """Lists and splits the photos as the flags say, or else the graph, or else the classic way."""
    described = graph.description and graph.description.photos
    image_dir, test_dir = _folders(values, described)
    split_lib.check_not_given(values.testing_percentage, test_dir)
    extensions = described.image_extensions if described else extensions_lib.CLASSIC
    if values.image_extensions is not None:
        extensions = extensions_lib.parse(values.image_extensions)
    if values.category == split_lib.TESTING:
        if test_dir is not None:
            return photos_lib.load_test(test_dir, extensions)
        if described and described.test_dir is not None:
            folder = described.test_dir and ', ' + described.test_dir
            raise UserError(
                'the test photos of the graph %s were in a folder of their own%s: give it as '
                '--test_dir, or --category=all' % (graph.path, folder)
            )
    split = _split(values, described)
    _check_split(values, split, graph)
    if values.category != selection.ALL:
        split = split._replace(groups=_groups(values, described, graph))
    return photos_lib.load(image_dir, split, extensions, test_dir)


def _folders(values, described):
    """Returns the folder of photos, and that of test photos or None, as `_dataset` lists them."""
    image_dir, test_dir = values.image_dir, values.test_dir
    if image_dir is not None and test_dir is None:
        image_dir, test_dir = listing.train_and_test(image_dir) or (image_dir, None)
    if described and test_dir is None and image_dir in (None, described.image_dir):
        test_dir = _if_there(described.test_dir)
    if described and image_dir is None:
        image_dir = _if_there(described.image_dir)
    return _CLASSIC_IMAGE_DIR if image_dir is None else image_dir, test_dir


def _if_there(folder):
    return folder if folder and os.path.isdir(folder) else None


def _split(values, described):
    """Returns the `Split` that the flags say, or else the graph, or else the classic one."""
    split = split_lib.Split()
    if described:
        split = split_lib.Split(
            described.testing_percentage,
            described.validation_percentage,
            described.split_key,
            described.image_dir,
        )
    given = {
        field: values[name].value
        for field, name in _SPLIT_FLAGS.items()
        if values[name].value is not None
    }
    different = [
        '--%s=%s (described: %s)' % (_SPLIT_FLAGS[field], value, getattr(split, field))
        for field, value in given.items()
        if getattr(split, field) not in (None, value)
    ]
    if described and different:
        _LOG.warning(
            'flags override what the graph says of its training, so it may have been trained on '
            'some of these photos: %s',
            ', '.join(different),
        )
    return split._replace(**given)


def _groups(values, described, graph):
    """Returns the `Groups` that the split keeps together, or None; those of the training."""
    groups = groups_lib.read(values.groups) if values.groups else None
    wanted = described.groups if described else None
    if wanted and groups is None:
        raise UserError(
            'the graph %s was trained with a file of groups, which has a part in the split: give '
            'it as --groups, or --category=all' % graph.path
        )
    if described and groups and groups.sha256 != wanted:
        _LOG.warning(
            '--groups=%s is not what the graph was trained with, so it may have been trained on '
            'some of these photos',
            values.groups,
        )
    return groups


def _check_split(values, split, graph):
    split_lib.check(split)
    if (
        values.category == selection.ALL
        or split.key == split_lib.BY_NAME
        or split.image_dir is not None
    ):
        return
    if graph.description:
        raise UserError(
            'the graph %s does not say which folder it was trained on, which decides the split: '
            'give --split_image_dir=FOLDER as --image_dir was typed in training, or --category=all'
            % graph.path
        )
    _LOG.warning(
        'the graph %s does not say how its photos were split: the split depends on how the folder '
        'was typed; give --image_dir, or --split_image_dir, as --image_dir was typed in training',
        graph.path,
    )


def _write_files(values, image_dir, graph, evaluation, curves):
    from scripts.evaluation import predictions, report, top_heatmaps

    if values.predictions is not None:
        predictions.write(values.predictions, evaluation)
        _LOG.info('\nThe scores of every photo are in %s', values.predictions)
    if values.report is not None:
        subject = report.Subject(
            graph.path,
            graph.data,
            image_dir,
            values.category,
            datetime.datetime.now(),
            top_heatmaps.find(graph.classifier, evaluation),
        )
        report.write(values.report, evaluation, subject, curves, values.top_k)
        _LOG.info('\nThe report is %s', values.report)


if __name__ == '__main__':
    command.run(main, FLAGS)
