"""Serves a graph: a page to try it with photos and cameras, and the REST of TensorFlow Serving.

  python -m scripts.serve --graph=tf_files/retrained_graph.pb

It prints the address of the page. Programs send photos as they do to TensorFlow Serving:

  POST /v1/models/NAME:predict   {"instances": [{"image_bytes": {"b64": "..."}}]}

NAME is the graph's file name without its ending. Only this machine reaches the server, unless
--host says otherwise.
"""

import contextlib
import logging
import time

from scripts.common import command, files, flags
from scripts.common.progress import Progress
from scripts.images.settings import DECODINGS, EXIF_ROTATIONS
from scripts.inference import finished_graph
from scripts.serving import hosts
from scripts.serving.server import Server
from scripts.serving.settings import DEFAULT

_LOG = logging.getLogger('scripts.serve')  # Not __name__: that is __main__ here.

FLAGS = flags.FlagValues()
_POLL_SECONDS = 0.1
_MOST_PORTS = (0, 65535)


def _define_flags(define):
    graph, server = define.group('Graph'), define.group('Server')
    flags.define_graph(graph, 'The graph that retrain wrote.')
    flags.define_graph_reading(graph)
    flags.define_exif_rotation(graph, EXIF_ROTATIONS)
    flags.define_decode(graph, DECODINGS)
    server.integer(
        'port', 8501, 'The port to listen at. 0: any that is free; it is printed.', _MOST_PORTS
    )
    server.string(
        'host',
        '127.0.0.1',
        'The address to listen at. With 0.0.0.0 other machines reach the server: anyone there can '
        'send photos.',
    )
    server.strings(
        'allowed_hosts',
        [],
        'A name under which the server is reached, for example behind a proxy. May be given more '
        'than once. Addresses, localhost and the name of the machine are always allowed.',
    )
    flags.define_camera(
        server,
        'The camera of this machine that the page shows, or a video file, shown again and again',
    )


_define_flags(flags.Definer(FLAGS))


def main(values, arguments):
    """Serves until it is stopped; raises UserError for a user error."""
    command.refuse_arguments(arguments)
    settings = flags.reading_settings(values, finished_graph.Settings)
    finished_graph.check(settings)
    data = files.read(values.graph, 'graph')
    server = Server((values.host, values.port), None, DEFAULT, values.allowed_hosts)

    # TensorFlow takes a second to import: user errors are reported before that.
    from scripts import graphs as _  # noqa: F401  # Goes first: graphs/versions.py says why.
    from scripts.images import camera as camera_lib
    from scripts.serving.app import App
    from scripts.serving.model import Model

    camera = camera_lib.Camera(values.camera) if values.camera else None
    model = Model(finished_graph.read(values.graph, data, settings), DEFAULT)
    server.app = App(model, DEFAULT, camera_lib.Latest(camera) if camera else None)
    server.start()
    _say(server, model, values.host)
    _wait()
    _LOG.info('Stopping')
    server.stop()


def _say(server, model, host):
    """Prints where the server is, and what is not as one may expect."""
    _LOG.info('Serving %s at %s (Ctrl-C ends it)', model.name, server.url)
    if model.no_heatmaps:
        _LOG.info('The page has no heatmaps: %s', model.no_heatmaps)
    if not hosts.is_local(host):
        _LOG.warning(
            'other machines reach %s: whoever does can send photos and see --camera; give '
            '--host=127.0.0.1 to serve this machine only',
            host,
        )


def _wait():
    """Returns when SIGTERM or Ctrl-C comes."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            Progress.raise_if_stopped()
            time.sleep(_POLL_SECONDS)


if __name__ == '__main__':
    command.run(main, FLAGS)
