"""The job from end to end: the features of the photos in a folder, or of those that are missing."""

import logging
import math

from scripts.common.errors import UserError
from scripts.dataset import photos as photos_lib
from scripts.images import runner
from scripts.spark import cluster, listing, worker
from scripts.spark import naming as naming_lib
from scripts.spark.output import Output

_LOG = logging.getLogger(__name__)

# A task's photos, whole batches: as many are computed again where a worker is lost.
_MOST_IN_A_TASK = 64 * runner.BATCH_SIZE
_TASKS_A_CORE = 4  # Where there are fewer photos: so that no core waits long for the last one.

_NAMED = 10  # Of what is left out, in lines of its own.
_LOST = 'cannot be read by Spark: it is gone, too large, or there is no permission'


def run(spark, uri, rules, about, backbone):
    """Computes features, and writes them.

    Args:
      spark: the SparkSession.
      uri: the folder to write to.
      rules: the `naming.Rules`.
      about: the `table.About`.
      backbone: the `Backbone`.

    Returns:
      The `table.Complete`.

    Raises:
      UserError: the folders are not as expected, the output holds something else, or the job fails.
    """
    try:
        return _run(spark, Output(spark, naming_lib.uri_of(uri)), rules, about, backbone)
    except Exception as error:
        if isinstance(error, UserError):
            raise
        raise UserError('the job failed: ' + cluster.explain(error))


def _run(spark, output, rules, about, backbone):
    output.check(about)
    files = listing.Listing(spark, rules)
    survey = files.survey()
    labels, counts = survey.labels(rules)
    _warn(survey.left_out(rules), files.passed_over())
    photos_lib.check_counts(rules.dataset(labels), counts)
    photos, there = files.photos(), output.rows()
    total = missing = survey.total(naming_lib.PHOTO)
    if there is not None:
        missing = output.missing(photos).count()
    _LOG.info('The features of %d of %d photos are missing', missing, total)
    output.begin(about)
    if missing:
        _compute(spark, files, output, (rules, backbone, missing))
    if there is not None:
        output.compact(photos)
    _add_lost(output, photos, rules, about.fingerprint)
    complete = output.end(labels)
    _report(complete, output)
    return complete


def size_of_task(photos, cores):
    """Returns how many photos a task has, whole batches."""
    wanted = min(_MOST_IN_A_TASK, photos / (_TASKS_A_CORE * cores))
    return max(1, math.ceil(wanted / runner.BATCH_SIZE)) * runner.BATCH_SIZE


def _compute(spark, files, output, job):
    rules, backbone, missing = job
    context = spark.sparkContext
    at_once = size_of_task(missing, context.defaultParallelism)
    threads = int(context.getConf().get('spark.task.cpus', '1'))
    sent = context.broadcast(worker.freeze(backbone, threads))

    def compute(rows):
        return worker.rows(listing.as_photos(rows), rules, lambda: sent.value)

    rows = output.missing(files.contents(at_once)).rdd.mapPartitions(compute)
    tasks = rows.getNumPartitions()
    cluster.watched(spark, lambda: output.add(rows), 'Features', missing, tasks)
    sent.destroy()


def _add_lost(output, photos, rules, fingerprint):
    """Adds the rows of photos that are still missing: Spark leaves out what it cannot read."""
    lost = output.missing(photos)
    if lost.count():
        output.add(
            lost.rdd.mapPartitions(
                lambda rows: worker.unread(listing.as_photos(rows), rules, fingerprint, _LOST)
            )
        )


def _warn(left_out, passed_over):
    for each in left_out:
        _LOG.warning(each)
    if passed_over:
        _LOG.warning(
            'left out: files and folders whose names begin with _ (%d), such as %s: Spark does not '
            'list them; rename them',
            len(passed_over),
            min(passed_over),
        )


def _report(complete, output):
    if not complete.unreadable:
        return
    for path, why in output.unreadable(_NAMED):
        _LOG.warning('photo %s is unreadable and is left out: it %s', path, why)
    if complete.unreadable > _NAMED:
        _LOG.warning('... and %d more', complete.unreadable - _NAMED)
    total = complete.photos + complete.unreadable
    _LOG.warning('%d of %d photos are unreadable and are left out', complete.unreadable, total)
