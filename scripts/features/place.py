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
    """

    folder: str
    name: str
    dtype: str = _CLASSIC_TYPE

    def has_texts(self, backbone):
        """Returns whether there are text files: those of bottlenecks, which are vectors."""
        return len(backbone.shape) == 1 and self.dtype == _CLASSIC_TYPE

    def text_path(self, photo):
        """Returns the path of the text file of a `Photo`."""
        return texts.path(self.folder, photo, self.name)

    def store(self, backbone):
        """Returns the `Store` for the features of a `Backbone`; each boundary has its own."""
        name = self.name
        if not self.has_texts(backbone):
            what = repr((backbone.boundary, self.dtype, tuple(backbone.shape))).encode('utf-8')
            name += '_' + hashlib.blake2b(what, digest_size=4).hexdigest()
        path = os.path.join(self.folder, name + '.features')
        return store_lib.Store(path, self.dtype, tuple(backbone.shape))
