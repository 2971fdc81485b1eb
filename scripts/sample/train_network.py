"""Makes the sample network: draws pictures of objects, trains on them, writes a frozen graph.

None of the objects is a flower, so retraining on the demo's flowers is real transfer learning.

  python -m scripts.sample.train_network --output_graph=tf_files/models/sample/frozen_graph.pb
  python -m scripts.sample.train_network --random_weights --output_graph=/tmp/random_graph.pb
"""

from scripts.common import command, flags, output_checks
from scripts.common.errors import UserError

FLAGS = flags.FlagValues()


def _define_flags(define):
    define.string('output_graph', '', 'The file of the frozen graph.')
    define.boolean(
        'random_weights',
        False,
        'Write a network with the same layers but without training, as a baseline.',
    )
    define.integer('images_per_form', 400, 'The number of pictures per form.', flags.POSITIVE)
    define.integer('training_steps', 14000, 'The number of training steps.', flags.POSITIVE)
    define.integer(
        'seed', 1, 'The seed of the pictures and of the initial weights.', (0, 2**31 - 1)
    )


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Checks the flags, draws, trains and writes."""
    command.refuse_arguments(arguments)
    if not values.output_graph:
        raise UserError('--output_graph is missing: say where to write the frozen graph')
    output_checks.check_writable(values.output_graph)
    # Late: checks and --help answer without TensorFlow.
    from scripts.graphs import graph_files
    from scripts.sample import training

    images, labels = training.draw_images(values.images_per_form, values.seed)
    steps = 0 if values.random_weights else values.training_steps
    graph_def = training.run(images, labels, steps, values.seed)
    graph_files.write(graph_def, values.output_graph)
    print('Wrote %s' % values.output_graph)


if __name__ == '__main__':
    command.run(main, FLAGS)
