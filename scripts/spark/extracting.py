"""The job from end to end: the features of the photos in a folder, or of those that are missing."""

import logging
import math

from scripts.common.errors import UserError
from scripts.dataset import photos as photos_lib
from scripts.features import table
from scripts.images import bad_images, runner
from scripts.spark import cluster, listing, worker
from scripts.spark import naming as naming_lib
from scripts.spark.output import Output

_LOG = logging.getLogger(__name__)

# A task's photos, whole batches: as many are computed again where a worker is lost.
_MOST_IN_A_TASK = 64 * runner.BATCH_SIZE
_TASKS_A_CORE = 4  # Where there are fewer photos: so that no core waits long for the last one.

_NAMED = 100  # Of unreadable photos, each in a line of its own.
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
    output = Output(spark, naming_lib.uri_of(uri))
    try:
        return _Extraction(output, rules, about, backbone).run()
    except Exception as error:
        if isinstance(error, UserError):
            raise
        raise UserError('the job failed: ' + cluster.explain(error))


def size_of_task(photos, cores):
    """Returns how many photos a task has, whole batches."""
    wanted = min(_MOST_IN_A_TASK, photos / (_TASKS_A_CORE * cores))
    return max(1, math.ceil(wanted / runner.BATCH_SIZE)) * runner.BATCH_SIZE


class _Extraction:
    """What `run` does; the arguments are its own, but for the `Output`."""

    def __init__(self, output, rules, about, backbone):
        self._spark, self._output, self._rules = output.spark, output, rules
        self._about, self._backbone = about, backbone

    def run(self):
        """Returns the `table.Complete`."""
        output, rules = self._output, self._rules
        output.check(self._about)
        files = listing.Listing(self._spark, rules)
        survey = files.survey()
        labels, counts = survey.labels(rules)
        for each in survey.left_out(rules):
            _LOG.warning(each)
        photos_lib.check_counts(rules.dataset(labels), counts)
        photos, there = files.photos(), output.rows()
        total = missing = survey.total(naming_lib.PHOTO)
        if there is not None:
            missing = output.missing(photos).count()
        _LOG.info('The features of %d of %d photos are missing', missing, total)
        output.begin(self._about)
        if missing:
            self._compute(files, missing)
        if there is not None:
            output.compact(photos)
        complete = table.Complete(list(labels), *self._counts(survey, photos))
        output.end(complete)
        _report(complete, output)
        return complete

    def _compute(self, files, missing):
        """Adds the rows of photos that are missing, so many."""
        context, rules = self._spark.sparkContext, self._rules
        at_once = size_of_task(missing, context.defaultParallelism)
        threads = int(context.getConf().get('spark.task.cpus', '1'))
        sent = context.broadcast(worker.freeze(self._backbone, threads))

        def compute(rows):
            return worker.rows(listing.as_photos(rows), rules, lambda: sent.value)

        rows = self._output.missing(files.contents(at_once)).rdd.mapPartitions(compute)
        tasks = rows.getNumPartitions()
        cluster.watched(self._spark, lambda: self._output.add(rows), 'Features', missing, tasks)
        sent.destroy()

    def _counts(self, survey, photos):
        """Returns the numbers of photos with features and of unreadable ones, which are all.

        First it adds the rows of photos that Spark passes over: empty ones, and what it cannot
        read.
        """
        output, rules, fingerprint = self._output, self._rules, self._about.fingerprint
        if survey.empty:
            why = bad_images.why_contents_unreadable(b'')
            empty = [worker.Photo(rules.path_of(*each), *each, 0, -1) for each in survey.empty]
            rows = list(worker.unread(empty, rules, fingerprint, why))
            output.add(self._spark.sparkContext.parallelize(rows))
        counts = output.counts()
        if sum(counts) == survey.total(naming_lib.PHOTO):
            return counts

        def mark(rows):
            return worker.unread(listing.as_photos(rows), rules, fingerprint, _LOST)

        output.add(output.missing(photos).rdd.mapPartitions(mark))
        return output.counts()


def _report(complete, output):
    if not complete.unreadable:
        return
    for path, why in output.unreadable(_NAMED):
        _LOG.warning('photo %s is unreadable and is left out: it %s', path, why)
    if complete.unreadable > _NAMED:
        _LOG.warning('... and %d more', complete.unreadable - _NAMED)
    total = complete.photos + complete.unreadable
    _LOG.warning('%d of %d photos are unreadable and are left out', complete.unreadable, total)
