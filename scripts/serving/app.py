"""What is answered at which path: the page, the REST of TensorFlow Serving, and what the page asks.

No TensorFlow here.
"""

import base64
import os
from http import HTTPStatus

import numpy as np
from PIL import Image

from scripts.common.errors import UserError
from scripts.evaluation import markup
from scripts.images import thumbnails
from scripts.inference import label_output
from scripts.serving import answers, requests
from scripts.serving.answers import Answer, RefusedError

_FRAME_SIZE = 640  # Pixels, the longer side.
TOP_K = 5  # Labels that the page shows.

_HERE = os.path.dirname(os.path.abspath(__file__))
_PAGES = {
    '/': ('page.html', 'text/html; charset=utf-8'),
    '/page.js': ('page.js', 'text/javascript; charset=utf-8'),
    '/page.css': ('page.css', 'text/css; charset=utf-8'),
}


class App:
    """Answers requests; several threads may call it.

    Args:
      model: a `Model`.
      limits: `Limits`.
      camera: a `camera.Latest`, or None.
    """

    def __init__(self, model, limits, camera=None):
        self._model, self._limits, self._camera = model, limits, camera
        status = '/v1/models/' + answers.text(model.name)
        self._routes = {
            '/page.json': {'GET': self._about},
            '/label': {'POST': self._label},
            '/camera': {'GET': self._frame},
            '/v1/models': {'GET': self._models},
            status: {'GET': self._status},
            status + ':predict': {'POST': self._predict},
        }
        pages = {path: _page(*each) for path, each in _PAGES.items()}
        self._routes.update({path: {'GET': lambda _, a=a: a} for path, a in pages.items()})

    def __call__(self, request):
        """Returns the `Answer` to a `Request`; raises RefusedError."""
        methods = self._routes.get(request.path)
        if methods is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, 'nothing is at %s' % request.path)
        if request.method not in methods:
            raise RefusedError(
                HTTPStatus.METHOD_NOT_ALLOWED,
                '%s takes %s, not %s' % (request.path, ', '.join(methods), request.method),
            )
        return methods[request.method](request)

    def _models(self, _):
        return answers.of_json({'models': [answers.text(self._model.name)]})

    def _status(self, _):
        state = {'error_code': 'OK', 'error_message': ''}
        version = {'version': '1', 'state': 'AVAILABLE', 'status': state}
        return answers.of_json({'model_version_status': [version]})

    def _predict(self, request):
        photos = requests.photos_of(request.body, self._limits.photos)
        fed = [self._model.of_photo(photo) for photo in photos]
        labels = [answers.text(label) for label in self._model.labels]
        return answers.of_json(
            {
                'predictions': [
                    {'scores': scores.tolist(), 'labels': labels}
                    for scores in self._model.scores(fed)
                ]
            }
        )

    def _about(self, _):
        return answers.of_json(
            {
                'name': answers.text(self._model.name),
                'labels': len(self._model.labels),
                'camera': self._camera is not None,
                'no_heatmaps': self._model.no_heatmaps,
                'exif_rotation': self._model.exif_rotation,
                'most_bytes': self._limits.body_bytes,
            }
        )

    def _label(self, request):
        fed = self._model.of_photo(request.body)
        return answers.of_json(self._labelled(fed, request))

    def _labelled(self, fed, request):
        """Returns what the page shows of a photo: the best labels, and the heatmap if it asks."""
        (scores,) = self._model.scores([fed])
        best = label_output.best_labels(scores, self._model.labels, TOP_K)
        heat = None
        if request.query.get('heatmap') == '1':
            heat = np.round(self._model.heatmap(fed).astype(np.float64), 3).tolist()
        labels = [{'label': answers.text(label), 'score': score} for label, score in best]
        return {'labels': labels, 'heatmap': heat}

    def _frame(self, request):
        if self._camera is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, 'the server was started without --camera')
        after = request.query.get('after', '0')
        if not (after.isdigit() and len(after) < 20):
            raise RefusedError(HTTPStatus.BAD_REQUEST, 'after=%s: expected a number' % after)
        try:
            number, image = self._camera.next(int(after), self._limits.answer_seconds)
        except UserError as error:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, error)
        labelled = self._labelled(self._model.of_image(image), request)
        small = Image.fromarray(image)
        small.thumbnail((_FRAME_SIZE, _FRAME_SIZE))
        picture = base64.b64encode(thumbnails.jpeg(small)).decode('ascii')
        return answers.of_json(dict(labelled, frame=number, image=picture))


def _page(name, content_type):
    """Returns the `Answer` that is a file of ours, which stays in memory."""
    with open(os.path.join(_HERE, name), encoding='utf-8') as file:
        text = file.read()
    if name.endswith('.css'):
        text = markup.style() + text
    return Answer(int(HTTPStatus.OK), text.encode('utf-8'), content_type)
