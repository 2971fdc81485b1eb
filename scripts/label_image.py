"""Labels a photo with a retrained graph.

  python -m scripts.label_image --image=photo.jpg
      --graph=tf_files/retrained_graph.pb --labels=tf_files/retrained_labels.txt

Size, mean, std and the layers are read off the graph: MobileNet's and Inception's alike. A flag
that is given always wins.
"""

import os

from absl import flags

from scripts import command, files
from scripts.dataset import labels as labels_lib
from scripts.errors import UserError

FLAGS = flags.FlagValues()
BEST = 5

flags.DEFINE_string(
    'image',
    'tf_files/flower_photos/daisy/3475870145_685a19116d.jpg',
    'The photo: JPEG, PNG, GIF or BMP.',
    flag_values=FLAGS,
)
flags.DEFINE_string(
    'graph', 'tf_files/retrained_graph.pb', 'The graph that retrain wrote.', flag_values=FLAGS
)
flags.DEFINE_string(
    'labels', 'tf_files/retrained_labels.txt', 'The labels that go with it.', flag_values=FLAGS
)
flags.DEFINE_integer(
    'input_height',
    None,
    'Pixels; read off the graph if not given (224 or 299 where it does not say).',
    lower_bound=1,
    flag_values=FLAGS,
)
flags.DEFINE_integer('input_width', None, 'Pixels; likewise.', lower_bound=1, flag_values=FLAGS)
flags.DEFINE_float(
    'input_mean',
    None,
    'Subtracted from each pixel; if not given 127.5 where the graph is fed at input, 128 at Mul.',
    flag_values=FLAGS,
)
flags.DEFINE_float(
    'input_std', None, 'What each pixel is then divided by; likewise.', flag_values=FLAGS
)
flags.DEFINE_string(
    'input_layer', None, 'The node that is fed: if not given input, or Mul.', flag_values=FLAGS
)
flags.DEFINE_string(
    'output_layer',
    None,
    'The node that gives the scores: if not given final_result, or the only output.',
    flag_values=FLAGS,
)


def main(values, arguments):
    """Labels one photo; raises UserError where a person must do something."""
    command.refuse_arguments(arguments)
    if values.input_std == 0:
        raise UserError('--input_std=0: pixels are divided by it; expected a number such as 127.5')
    labels = labels_lib.read(values.labels)
    graph_data = files.read(values.graph, 'graph')
    if not os.path.isfile(values.image):
        raise UserError('no image at %s: check --image' % values.image)

    # TensorFlow takes a second to import: a person's mistakes are told before that.
    from scripts.classifier import labelling
    from scripts.graphs import graph_files
    from scripts.images import graph_input as graph_input_lib

    graph_def = graph_files.parse(graph_data, values.graph)
    graph_input = graph_input_lib.read_off(graph_def, values.input_layer)
    given = {name: values['input_' + name].value for name in graph_input.pixels._fields}
    graph_input = graph_input._replace(
        pixels=graph_input.pixels._replace(
            **{name: value for name, value in given.items() if value is not None}
        )
    )
    output = labelling.output_of(graph_def, values.output_layer)
    scores = labelling.score(graph_def, graph_input, output, values.image)
    if len(scores.values) != len(labels):
        raise UserError(
            '%s holds %d labels, and the node %s gives %d scores: give the '
            'labels that were written with the graph'
            % (values.labels, len(labels), output, len(scores.values))
        )
    _print_best(scores, labels)


def _print_best(scores, labels):
    print('\nEvaluation time (1-image): %.3fs\n' % scores.seconds)
    for index in scores.values.argsort()[::-1][:BEST]:
        print('%s (score=%0.5f)' % (labels[index], scores.values[index]))


if __name__ == '__main__':
    command.run(main, FLAGS)
