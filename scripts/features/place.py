"""Where the features of a network are kept."""

import hashlib
import os
import typing

from scripts.features import store as store_lib
from scripts.features import texts

_CLASSIC_TYPE = 'float32'


class Place(typing.NamedTuple):
    """Where the features of a network are kept.

    folder: `--bottleneck_dir`.
    name: the network's, in names of files.
    dtype: numpy's name of the type that they are kept as: float32, float16 or uint8.
    texts: whether bottlenecks are kept as text files, too.
    """

    folder: str
    name: str
    dtype: str = _CLASSIC_TYPE
    texts: bool = True

    def has_texts(self, backbone):
        """Returns whether there are text files: those of bottlenecks, which are vectors."""
        return self.texts and len(backbone.shape) == 1 and self.dtype == _CLASSIC_TYPE

    def of_copies(self, distortions):
        """Returns the `Place` of the features of photos that are distorted, by `Distortions`."""
        name = '%s_distorted_%s' % (self.name, _hash(tuple(distortions)))
        return self._replace(name=name, texts=False)

    def text_path(self, photo):
        """Returns the path of the text file of a `Photo`."""
        return texts.path(self.folder, photo, self.name)

    def store(self, backbone):
        """Returns the `Store` for the features of a `Backbone`; each boundary has its own."""
        name = self.name
        if not self.has_texts(backbone):
            name += '_' + _hash((backbone.boundary, self.dtype, tuple(backbone.shape)))
        path = os.path.join(self.folder, name + '.features')
        return store_lib.Store(path, self.dtype, tuple(backbone.shape))


def _hash(what):
    return hashlib.blake2b(repr(what).encode('utf-8'), digest_size=4).hexdigest()
