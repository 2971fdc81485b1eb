"""Trains a new last layer on top of a pretrained network, or its last blocks too, on your photos.

  python -m scripts.retrain --image_dir=tf_files/flower_photos --architecture=mobilenet_0.50_224 \\
      --bottleneck_dir=tf_files/bottlenecks --model_dir=tf_files/models \\
      --summaries_dir=tf_files/training_summaries --how_many_training_steps=500 \\
      --output_graph=tf_files/retrained_graph.pb --output_labels=tf_files/retrained_labels.txt

The image folder holds one sub-folder of photos per class; its name is the label. Each photo goes
through the pretrained network once; the output, its bottleneck, is kept as a text file in the
bottleneck folder. With --fine_tune_blocks the last blocks of the network are trained, too, and what
is in front of them is kept. python -m scripts.label_image labels photos with the trained graph.
"""

import datetime
import logging
import os
import random
import shlex

from scripts import retrain_flags
from scripts.common import command, files, flags
from scripts.common.errors import UserError
from scripts.dataset import photos as photos_lib
from scripts.dataset import split as split_lib
from scripts.export import outputs
from scripts.images import exif
from scripts.images import settings as image_settings
from scripts.images.settings import Distortions
from scripts.networks import registry
from scripts.training import checkpoint, summaries
from scripts.training import settings as settings_lib

_LOG = logging.getLogger('scripts.retrain')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()
retrain_flags.define_all(flags.Definer(FLAGS))


def main(values, arguments):
    """Retrains as the parsed flags say; raises UserError for a user error."""
    command.refuse_arguments(arguments)
    folder = retrain_flags.take_features(values)
    network = registry.find(values.architecture, values.model_dir)
    retrain_flags.apply_recipe(values, network.recipe)
    check_flags(values, network)
    dataset = _trainable_dataset(values, folder)
    settings = settings_of(values, network, dataset)
    _check_outputs(settings, dataset, values)

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.export import exporting
    from scripts.networks import backbone as backbone_lib
    from scripts.training import retraining

    with summaries.held(settings.training.summaries_dir) as event_files:
        exporting.check_places(settings)
        backbone = backbone_lib.load(settings.network, settings.model_dir)
        exporting.check_convertible(settings, backbone)
        examples_of = _examples_of(folder, backbone, settings.bottleneck_dir)
        trained = retraining.run(settings, backbone, dataset, examples_of)
        exporting.write(settings, trained.graph_def, dataset.labels)
        failures = _write_evaluation(values, settings, dataset, backbone, trained.tested)
        failures += exporting.write_others(settings, trained.graph_def, dataset)
    seed = settings.training.random_seed
    if values.random_seed is None:
        _LOG.info('To repeat this run to the byte, add --random_seed=%d', seed)
    _LOG.info(
        'The graph is %s, its labels are %s. Label a photo with:\n'
        '  %s --graph=%s --labels=%s --image=PHOTO.jpg',
        settings.output_graph,
        settings.output_labels,
        command.how_to_start('label_image'),
        shlex.quote(settings.output_graph),
        shlex.quote(settings.output_labels),
    )
    if settings.training.summary_interval:
        _LOG.info(
            'See the training in TensorBoard with:\n  tensorboard --logdir %s',
            shlex.quote(settings.training.summaries_dir),
        )
    summaries.check_complete(settings.training.summaries_dir, event_files)
    if failures:
        raise UserError('the graph and its labels are written, but: ' + '; '.join(failures))


def _trainable_dataset(values, folder):
    """Returns the `Dataset` that flags name, or that of a folder of features; it is trainable."""
    if folder is None:
        dataset = retrain_flags.dataset_of(values, values.groups)
        photos_lib.check_trainable(dataset)
        return dataset
    photos_lib.check_counts(
        folder.dataset, folder.dataset.photos.counts(len(folder.dataset.labels))
    )
    return folder.dataset


def _examples_of(folder, backbone, bottleneck_dir):
    """Returns what `retraining.run` takes examples from: the features in a folder, if any."""
    if folder is None:
        return None
    from scripts.training import retraining

    features = folder.features(backbone, bottleneck_dir)
    return lambda *_: retraining.examples_of_table(folder.dataset.photos, features)


def _check_outputs(settings, dataset, values):
    if not values.features:
        outputs.check(settings, dataset, values.report)
        exif.report_rotated([photo.path for photo in dataset.photos], values.exif_rotation)
        return
    outputs.check(settings, dataset._replace(photos=()), values.report)
    for name in ('tflite_output_file', 'onnx_output_file'):
        if values[name].value and not os.path.exists(dataset.photos[0].path):
            raise UserError(
                '--%s is tried on photos, and those of --features=%s are not here (no %s): leave '
                'it out' % (name, values.features, dataset.photos[0].path)
            )


def _write_evaluation(values, settings, dataset, backbone, tested):
    """Writes what the test got wrong, for TensorBoard and as a page.

    Returns:
      A list of texts on what could not be written: it costs only itself.
    """
    if tested is None:
        return []
    from scripts.evaluation import curves
    from scripts.evaluation.evaluating import Evaluation

    rotation = values.exif_rotation
    evaluation = Evaluation(dataset.labels, tested.photos, tested.scores, exif_rotation=rotation)
    try:
        _write_summaries(settings.training, evaluation)
        if values.report:
            sections = _sections_on_photos(values, dataset, backbone)
            learning_curves = curves.read(values.summaries_dir) if values.summary_interval else None
            write_report(values, evaluation, dataset, sections, learning_curves)
    except UserError as error:
        return [str(error)]
    return []


def _write_summaries(training, evaluation):
    from scripts.evaluation import tensorboard

    if training.summary_interval:
        folder = os.path.join(training.summaries_dir, split_lib.TESTING)
        tensorboard.write(evaluation, folder, training.end)


def _sections_on_photos(values, dataset, backbone):
    """Returns sections of the report, as HTML: what check_photos finds, where that is wanted."""
    if not values.report_photos:
        return []
    from scripts.checking import checking, page
    from scripts.features.place import Place

    place = Place(values.bottleneck_dir, backbone.network.cache_name)
    findings = checking.check(backbone, place, dataset, values.bad_images)
    return page.sections_on_photos(findings, values.exif_rotation)


def write_report(values, evaluation, dataset, sections, learning_curves=None):
    """Writes the report on the test photos.

    Args:
      values: the parsed `FlagValues`, which say where the graph is and where the report goes.
      evaluation: the `Evaluation`.
      dataset: the `Dataset`.
      sections: more of them, as HTML.
      learning_curves: the `Curves` of the training, or None.
    """
    from scripts.evaluation import report, top_heatmaps
    from scripts.inference import finished_graph

    data = files.read(values.output_graph, 'graph')
    graph = finished_graph.read(values.output_graph, data)
    subject = report.Subject(
        values.output_graph,
        data,
        dataset.test_dir or dataset.image_dir,
        split_lib.TESTING,
        datetime.datetime.now(),
        top_heatmaps.find(graph.classifier, evaluation),
        sections,
    )
    report.write(values.report, evaluation, subject, learning_curves)
    _LOG.info('The report on the test photos is %s', values.report)


def check_flags(values, network):
    """Raises UserError where the parsed flags contradict each other, or a `registry.Network`."""
    image_settings.check_std(values.input_std)
    if values.fine_tune_blocks and values.fine_tune_from:
        raise UserError(
            '--fine_tune_blocks and --fine_tune_from say the same in two ways: give one of them'
        )
    if values.report_photos and not values.report:
        raise UserError('--report_photos is a part of the report: add --report=FILE')
    if values.report_photos and network.from_scratch:
        raise UserError(
            '--report_photos needs a pretrained network, and %s has random weights, which say '
            'nothing of photos: leave it out' % network.name
        )
    if values.distorted_copies and not flags.settings(values, Distortions).wanted():
        raise UserError(
            '--distorted_copies=%d is about distortions, and there are none: give one, such as '
            '--flip_left_right, or leave it out' % values.distorted_copies
        )
    if network.from_scratch and retrain_flags.fine_tunes(values):
        raise UserError(
            '%s is trained as a whole, from random weights: leave --fine_tune_blocks and '
            '--fine_tune_from out' % network.name
        )
    for name in ('fine_tune_learning_rate', 'head_steps'):
        if values[name].present and not retrain_flags.fine_tunes(values):
            raise UserError(
                '--%s is about fine-tuning, and nothing is fine-tuned: give --fine_tune_blocks, '
                'such as 2, or leave it out' % name
            )
    for training in filter(None, retrain_flags.stages(values, epoch=1)):
        settings_lib.check(training)


def settings_of(values, network, dataset):
    """Returns the `training.settings.Retraining` that the parsed flags say.

    Args:
      values: the parsed `FlagValues`.
      network: the `registry.Network` that they name.
      dataset: the `Dataset` that they name.
    """
    photos = sum(photo.category == split_lib.TRAINING for photo in dataset.photos)
    epoch = settings_lib.steps_of_epoch(photos, values.train_batch_size)
    seed = values.random_seed
    if seed is None and values.resume:
        seed = checkpoint.random_seed(values.checkpoint_path)
    if seed is None:
        seed = random.SystemRandom().randrange(retrain_flags.SEEDS)
    stages = retrain_flags.stages(values, epoch)
    head, training = [each and each._replace(random_seed=seed) for each in stages]
    pixels = network.pixels._replace(exif_rotation=values.exif_rotation, decode=values.decode)
    if network.from_scratch:
        network = network._replace(seed=seed)
    return flags.settings(
        values,
        settings_lib.Retraining,
        network=network._replace(pixels=pixels, given=flags.settings(values, registry.Given)),
        distortions=flags.settings(values, Distortions),
        training=training,
        head_training=head,
    )


if __name__ == '__main__':
    command.run(main, FLAGS)
