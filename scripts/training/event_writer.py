"""Writing event files for TensorBoard.

TensorFlow's own FileWriter writes in another thread, which under 1.15 says nothing of a full disk,
and under 2 ends with a traceback of its own.
"""

import os
import socket
import time

import tensorflow.compat.v1 as tf

from scripts.common import encodings
from scripts.common.errors import UserError

_VERSION = 'brain.Event:2'
_SECONDS_BETWEEN_FLUSHES = 10.0


class EventWriter:
    """Writes one event file; used as a context manager.

    What cannot be written any more, as where the disk is full, costs the events from there on and
    not the run: `summaries.check_complete` tells of it.

    Args:
      folder: for the file, made where it is missing.
      suffix: of its name, which has the time in seconds: a file of the same name is written over.

    Raises:
      UserError: no file can be written there.
    """

    def __init__(self, folder, suffix=''):
        name = 'events.out.tfevents.%010d.%s%s' % (time.time(), socket.gethostname(), suffix)
        path = encodings.for_tensorflow(os.path.join(folder, name))
        try:
            os.makedirs(folder, exist_ok=True)
            self._writer = tf.python_io.TFRecordWriter(path)
        except (OSError, tf.errors.OpError) as error:
            raise UserError('cannot write %s: %s' % (path, error))
        self._flushed = time.monotonic()
        self._write(tf.Event(file_version=_VERSION))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._try(lambda writer: writer.close())

    def add_summary(self, summary, step):
        """Adds a `tf.Summary`, or its bytes, of a step."""
        if isinstance(summary, bytes):
            summary = tf.Summary.FromString(summary)
        self._write(tf.Event(summary=summary, step=step))

    def add_graph(self, graph_def):
        """Adds a GraphDef."""
        self._write(tf.Event(graph_def=graph_def.SerializeToString()))

    def begin_again(self, step):
        """Lets TensorBoard drop what other files of the folder hold from a step on."""
        start = tf.SessionLog(status=tf.SessionLog.START)
        self._write(tf.Event(session_log=start, step=step))

    def _write(self, event):
        event.wall_time = time.time()
        self._try(lambda writer: writer.write(event.SerializeToString()))
        if time.monotonic() - self._flushed > _SECONDS_BETWEEN_FLUSHES:
            self._try(lambda writer: writer.flush())
            self._flushed = time.monotonic()

    def _try(self, call):
        try:
            if self._writer is not None:
                call(self._writer)
        except (OSError, IndexError, tf.errors.OpError):  # A file that is too large: an IndexError.
            self._writer = None
