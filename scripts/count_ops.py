"""Counts the nodes of a graph.

  python -m scripts.count_ops tf_files/retrained_graph.pb
  python -m scripts.count_ops tf_files/retrained_graph.pb Conv2D
  python -m scripts.count_ops tf_files/retrained_graph.pb --op_types

It prints the number of all nodes, the number of nodes of the op type Conv2D, or a table of all op
types.
"""

import collections

from scripts.common import command, files, flags, printing
from scripts.common.errors import UserError

FLAGS = flags.FlagValues()


def _define_flags(define):
    flags.define_graph(define)
    define.string('op', None, 'Count only nodes of this op type, such as Conv2D.')
    define.boolean(
        'op_types', False, 'Print all op types with their counts, the most frequent first.'
    )


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Prints the count or the table; raises UserError for a user error."""
    command.set_positional(values, arguments, ['graph', 'op'])
    if values.op_types and values.op is not None:
        raise UserError(
            '--op_types counts every op type, and --op=%s only one: give one of the two' % values.op
        )
    graph_data = files.read(values.graph, 'graph')

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts.graphs import graph_files

    # Nothing is run here.
    graph_def = graph_files.parse(graph_data, values.graph, allow_tensorrt_engines=True)
    counts = collections.Counter(node.op for node in graph_def.node)
    if values.op_types:
        for op, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            print('%6d  %s' % (count, printing.printable(op)))
    elif values.op is not None:
        print(counts[values.op])
    else:
        print(sum(counts.values()))


if __name__ == '__main__':
    command.run(main, FLAGS)
