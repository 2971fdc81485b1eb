"""Writes a graph for TensorBoard's graph page.

  python -m scripts.graph_pb2tb tf_files/graph_page tf_files/retrained_graph.pb

Then run the command that it prints, and open the address that TensorBoard prints.
"""

import logging
import shlex

from scripts.common import command, files, flags, output_checks
from scripts.common.errors import UserError
from scripts.training import summaries

_LOG = logging.getLogger('scripts.graph_pb2tb')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()


def _define_flags(define):
    define.string('logdir', None, 'The folder to write to. Files that are there are kept.')
    flags.define_graph(define)


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Writes the event file; raises UserError for a user error."""
    command.set_positional(values, arguments, ['logdir', 'graph'])
    if not values.logdir:
        raise UserError(
            '--logdir is not set: give the folder to write to, as in graph_pb2tb LOGDIR GRAPH'
        )
    graph_data = files.read(values.graph, 'graph')
    output_checks.check_folder_writable(values.logdir)

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.evaluation import tensorboard
    from scripts.graphs import graph_files

    # Nothing is run here.
    graph_def = graph_files.parse(graph_data, values.graph, allow_tensorrt_engines=True)
    before = summaries.event_files(values.logdir)
    tensorboard.write_graph(graph_def, values.logdir)
    summaries.check_complete(values.logdir, before)
    _LOG.info('See the graph with:\n  tensorboard --logdir %s', shlex.quote(values.logdir))


if __name__ == '__main__':
    command.run(main, FLAGS)
