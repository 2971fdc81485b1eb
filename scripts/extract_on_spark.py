"""Computes the features of photos on an Apache Spark cluster, for retrain --features.

  python -m scripts.extract_on_spark --image_dir=hdfs://host/photos --output=hdfs://host/features \\
      --architecture=mobilenet_0.50_224 --model_dir=tf_files/models --master=spark://host:7077
  python -m scripts.retrain --features=FOLDER --model_dir=tf_files/models

Folders are local paths, or addresses that Spark reads, such as hdfs: and s3a:. Photos are told,
labelled and split as retrain does it. A run that was stopped goes on with what is missing. Needs
Java and PySpark: pip install -r requirements-spark.txt.
"""

import logging
import os

from scripts import retrain_flags
from scripts.common import command, flags
from scripts.common.errors import UserError
from scripts.features import table
from scripts.images import settings as image_settings
from scripts.networks import registry
from scripts.spark import cluster, naming

_LOG = logging.getLogger('scripts.extract_on_spark')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()


def _define_flags(define):
    photos = define.group('Photos')
    retrain_flags.define_photos(photos, with_policy=False)
    flags.define_groups(photos, '')
    retrain_flags.define_network(define.group('Network'), with_folder=False)
    here = define.group('Cluster')
    here.string(
        'output', '', 'The folder or address to write Parquet files to; it may hold a part of them.'
    )
    here.string(
        'master',
        '',
        'The address of the cluster, such as spark://host:7077. Default: that of spark-submit, '
        'otherwise all cores of this machine.',
    )


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Computes features as the parsed flags say; raises UserError for a user error."""
    command.refuse_arguments(arguments)
    if not values.output:
        raise UserError('--output is not set: give the folder to write features to')
    network = registry.find(values.architecture, values.model_dir)
    if network.from_scratch:
        raise UserError(
            '%s has random weights and is trained as a whole, so it has no features: give a '
            'pretrained network as --architecture' % network.name
        )
    image_settings.check_std(values.input_std)
    rules = naming.Rules(*retrain_flags.split_of(values, values.groups))
    if values.groups and rules.test_dir is not None:
        raise UserError('--groups and --test_dir do not go together here: leave one of them out')
    cluster.check()

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.networks import backbone as backbone_lib
    from scripts.spark import extracting

    pixels = network.pixels._replace(exif_rotation=values.exif_rotation, decode=values.decode)
    given = flags.settings(values, registry.Given)
    backbone = backbone_lib.load(network._replace(pixels=pixels, given=given), values.model_dir)
    with cluster.session(values.master) as spark:
        about = _about(values, rules, backbone)
        complete = extracting.run(spark, values.output, rules, about, backbone)
    _LOG.info(
        'The features of %d photos are in %s. Train on them with:\n  %s --features=FOLDER '
        '--model_dir=%s',
        complete.photos,
        values.output,
        command.how_to_start('retrain'),
        values.model_dir,
    )


def _about(values, rules, backbone):
    """Returns the `table.About` of features."""
    found = {name: values[name].value for name in table.FLAGS_OF_NETWORK}
    if os.path.isfile(values.architecture):
        found['architecture'] = os.path.abspath(values.architecture)
    found.update(
        image_dir=rules.image_dir,
        test_dir=rules.test_dir,
        testing_percentage=rules.split.testing_percentage,
        validation_percentage=rules.split.validation_percentage,
        split_key=rules.split.key,
        image_extensions=values.image_extensions,
    )
    groups = rules.split.groups and rules.split.groups.sha256
    return table.About(backbone.fingerprint, backbone.shape, found, groups)


if __name__ == '__main__':
    command.run(main, FLAGS)
