"""Starting Spark, and sending this program to its workers."""

import contextlib
import logging
import os
import re
import shutil
import sys
import tempfile
import warnings
import zipfile
from concurrent import futures

import scripts
from scripts.common import packages
from scripts.common.errors import UserError
from scripts.common.progress import Progress

_SUBMITTED = 'PYSPARK_GATEWAY_PORT'  # Set where spark-submit has started this program.
# The work is that of Python: Java's compiler would take more time from it than it saves.
_JAVA_OPTIONS = '-XX:TieredStopAtLevel=1'
_SECONDS = 0.5  # From one look at a job to the next.


def check():
    """Raises UserError where PySpark or Java is missing. Nothing is started."""
    packages.require(['pyspark'], 'extract_on_spark', 'requirements-spark.txt')
    home = os.environ.get('JAVA_HOME')
    java = os.path.join(home, 'bin', 'java') if home else 'java'
    if _SUBMITTED not in os.environ and shutil.which(java) is None:
        raise UserError(
            'extract_on_spark needs Java, and there is no %s: install Java 17, for example by '
            'apt-get install openjdk-17-jre-headless, or set JAVA_HOME to its folder' % java
        )


@contextlib.contextmanager
def session(master):
    """Gives a SparkSession whose workers have this program; they need the other packages only.

    Args:
      master: its address; '' for that of spark-submit, or else all cores of this machine.

    Raises:
      UserError: it cannot be started.
    """
    # Of the workers: the one that PySpark takes otherwise may be another version.
    os.environ.setdefault('PYSPARK_PYTHON', sys.executable)
    logging.getLogger('py4j').setLevel(logging.ERROR)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName('extract_on_spark')
    builder = builder.config('spark.ui.showConsoleProgress', 'false')
    if _SUBMITTED not in os.environ:
        # Otherwise spark-submit may say so.
        for process in ('driver', 'executor'):
            builder = builder.config('spark.%s.extraJavaOptions' % process, _JAVA_OPTIONS)
    if master:
        builder = builder.master(master)
    try:
        with warnings.catch_warnings(record=True):  # That Python 3.7 will not be supported.
            spark = builder.getOrCreate()
    except Exception as error:
        raise UserError('Spark does not start: %s' % explain(error))
    with tempfile.TemporaryDirectory() as folder:
        try:
            spark.sparkContext.addPyFile(_program(folder))
            yield spark
        finally:
            spark.stop()


def _program(folder):
    """Writes the modules of this program to a zip file in a folder; returns its path."""
    top = os.path.dirname(os.path.abspath(scripts.__file__))
    path = os.path.join(folder, 'scripts.zip')
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for above, _, names in os.walk(top):
            for name in names:
                if name.endswith('.py'):
                    module = os.path.join(above, name)
                    archive.write(module, os.path.relpath(module, os.path.dirname(top)))
    return path


def watched(spark, action, what, photos, tasks):
    """Calls a function that runs jobs, and shows how far the last of them has come.

    Args:
      spark: the SparkSession.
      action: a function without arguments.
      what: for the line of progress.
      photos: how many there are, in so many tasks.

    Returns:
      What the function returns.
    """
    tracker, done = spark.sparkContext.statusTracker(), 0
    with Progress(what, photos, 'photos') as progress, futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(action)
        try:
            while True:
                try:
                    return running.result(timeout=_SECONDS)
                except futures.TimeoutError:
                    now = max(done, min(photos, photos * _tasks_done(tracker) // max(tasks, 1)))
                    progress.advance(now - done)
                    done = now
        except KeyboardInterrupt:
            spark.sparkContext.cancelAllJobs()
            raise


def _tasks_done(tracker):
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    return max([stage.numCompletedTasks for stage in stages if stage is not None] or [0])


def explain(error):
    """Returns the one line of an error of Spark that says most."""
    text = str(error)
    user_error = re.findall(r'UserError: (.*)', text)
    if user_error:
        return user_error[0]
    missing = re.findall(r"ModuleNotFoundError: No module named '(\w+)'", text)
    if missing:
        return (
            'the Python of the workers does not have %s: install it there, or give another Python '
            'by PYSPARK_PYTHON' % missing[0]
        )
    lines = re.findall(r'^(?:Caused by: |: )?([\w.]+(?:Error|Exception): .*)', text, re.MULTILINE)
    return (lines or text.strip().splitlines() or [type(error).__name__])[-1]
