"""Makes the sample network: draws pictures of things, trains on them, writes a frozen graph.

No flower is among the things, so that retraining on the demo's flowers is honest transfer.

  python -m scripts.sample.train_network --output_graph=tf_files/models/sample/frozen_graph.pb
  python -m scripts.sample.train_network --random_weights --output_graph=/tmp/random_graph.pb
"""

from scripts.common import command, flags, output_checks
from scripts.common.errors import UserError

FLAGS = flags.FlagValues()


def _define_flags(define):
    define.string('output_graph', '', 'Where to write the frozen graph.')
    define.boolean(
        'random_weights',
        False,
        'Write a network of the same shape without training it: the control '
        'that shows what the training is worth.',
    )
    define.integer(
        'images_per_form', 400, 'How many pictures of each form to draw.', flags.POSITIVE
    )
    define.integer('training_steps', 14000, 'How many batches to train on.', flags.POSITIVE)
    define.integer(
        'seed', 1, 'The same seed gives the same pictures and first weights.', (0, 2**31 - 1)
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
    graph_def = training.train(images, labels, training.Settings(steps, values.seed))
    graph_files.write(graph_def, values.output_graph)
    print('Wrote %s' % values.output_graph)


if __name__ == '__main__':
    command.run(main, FLAGS)
