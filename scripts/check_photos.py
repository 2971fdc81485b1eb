"""Looks for what is wrong with photos: near-duplicates, doubtful labels, small classes and sizes.

  python -m scripts.check_photos --image_dir=tf_files/flower_photos \\
      --architecture=mobilenet_0.50_224 --model_dir=tf_files/models \\
      --bottleneck_dir=tf_files/bottlenecks --report=photos.html --output=photos.csv

It takes the folder, the split and the network as scripts.retrain does, and computes the same
bottlenecks, or uses those that are kept. Nothing of the photos is changed.
"""

import logging

from scripts import retrain_flags
from scripts.common import command, files, flags, output_checks
from scripts.common.errors import UserError
from scripts.dataset import groups as groups_lib
from scripts.images import settings as image_settings
from scripts.networks import registry

_LOG = logging.getLogger('scripts.check_photos')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()


def _define_flags(define):
    retrain_flags.define_photos(define.group('Photos'))
    retrain_flags.define_network(define.group('Network'))
    outputs = define.group('Outputs')
    flags.define_report(outputs, None)
    outputs.string('output', None, 'Write all findings to this file, as CSV.')
    outputs.string(
        'output_groups',
        None,
        'Write the groups of near-duplicates to this file, as CSV, for retrain --groups.',
    )


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Checks photos as the parsed flags say; raises UserError for a user error."""
    command.refuse_arguments(arguments)
    network = registry.find(values.architecture, values.model_dir)
    if network.from_scratch:
        raise UserError(
            '%s has random weights, which say nothing of photos: give a pretrained network as '
            '--architecture' % network.name
        )
    image_settings.check_std(values.input_std)
    outputs = [('--' + name, values[name].value) for name in ('report', 'output', 'output_groups')]
    for name, path in outputs:
        if path == '':
            raise UserError('%s is empty: expected the name of a file to write' % name)
        if path:
            output_checks.check_writable(path)
    dataset = retrain_flags.dataset_of(values)
    output_checks.check_distinct(outputs, [('the photo', photo.path) for photo in dataset.photos])

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.checking import checking, page
    from scripts.checking import findings as findings_lib
    from scripts.features.place import Place
    from scripts.networks import backbone as backbone_lib

    pixels = network.pixels._replace(exif_rotation=values.exif_rotation, decode=values.decode)
    given = flags.settings(values, registry.Given)
    backbone = backbone_lib.load(network._replace(pixels=pixels, given=given), values.model_dir)
    place = Place(values.bottleneck_dir, backbone.network.cache_name)
    findings = checking.check(backbone, place, dataset, values.bad_images)
    print('\n'.join(findings_lib.lines(findings, dataset.folders)))
    if values.output:
        text = findings_lib.as_csv(findings)
        files.write(values.output, text.encode('utf-8', 'surrogateescape'))
    if values.output_groups:
        members = [[findings.photos[row] for row in group.rows] for group in findings.groups]
        named = [[(each.folder, each.file_name) for each in group] for group in members]
        files.write(values.output_groups, groups_lib.to_csv(named))
    if values.report:
        page.write(values.report, findings, dataset.folders, values.exif_rotation)
        _LOG.info('The report on the photos is %s', values.report)


if __name__ == '__main__':
    command.run(main, FLAGS)
