"""Makes a graph faster on an NVIDIA GPU, by TensorRT.

  python -m scripts.optimize_for_tensorrt --graph=tf_files/retrained_graph.pb \\
      --output_graph=tf_files/tensorrt_graph.pb photo.jpg more_photos/

It takes a TensorFlow that is built with TensorRT, such as NVIDIA's 1.15 for Jetson, and a GPU. What
TensorRT can run of the graph becomes engines, and it prints how many; none is an error. Photos, if
there are any, are labelled by both graphs. label_image and evaluate take the new graph as well.
"""

from scripts.common import command, files, flags, output_checks
from scripts.dataset import finding
from scripts.inference import finished_graph

FLAGS = flags.FlagValues()
_PRECISIONS = ['FP16', 'FP32']


def _define_flags(define):
    graph, outputs = define.group('Graph'), define.group('Outputs')
    flags.define_graph(graph, 'The graph that retrain wrote.')
    flags.define_graph_reading(graph)
    outputs.string(
        'output_graph', 'tf_files/tensorrt_graph.pb', 'The file of the graph with engines.'
    )
    outputs.choice(
        'precision',
        'FP16',
        _PRECISIONS,
        'In which precision TensorRT may compute: FP16 is faster, FP32 is what the graph does.',
    )


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Optimizes a graph; raises UserError for a user error."""
    settings = flags.reading_settings(values, finished_graph.Settings)
    finished_graph.check(settings)
    paths = finding.image_paths(arguments) if arguments else []
    data = files.read(values.graph, 'graph')
    output_checks.check_writable(values.output_graph)
    inputs = [('--graph', values.graph), ('--labels', values.labels)]
    inputs += [('the photo', path) for path in paths]
    output_checks.check_distinct([('--output_graph', values.output_graph)], inputs)

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.export import tensorrt
    from scripts.graphs import graph_files

    before = finished_graph.read(values.graph, data, settings).classifier
    optimized = tensorrt.optimize(before.graph_def, before.output_name, values.precision)
    found = tensorrt.count(optimized)
    graph_files.write(optimized, values.output_graph)
    print(
        '%s has %d engines, which stand for %d nodes; %d of %d nodes are left beside them'
        % (
            values.output_graph,
            found.engines,
            found.nodes,
            len(optimized.node) - found.engines,
            len(before.graph_def.node),
        )
    )
    if paths:
        _compare(before, before._replace(graph_def=optimized), paths)


def _compare(before, after, paths):
    """Prints on how many photos two `ScoringGraph`s predict the same label."""
    import numpy as np

    from scripts.inference import labelling

    scores = []
    for classifier in (before, after):
        batches = list(labelling.score_many(classifier, paths))
        readable = np.concatenate([batch.readable for batch in batches])
        scores.append(np.concatenate([batch.values for batch in batches])[readable])
    same = scores[0].argmax(axis=1) == scores[1].argmax(axis=1)
    print(
        'The two graphs give %d of %d photos the same label; no score differs by more than %.2g'
        % (same.sum(), len(same), np.abs(scores[0] - scores[1]).max(initial=0))
    )


if __name__ == '__main__':
    command.run(main, FLAGS)
