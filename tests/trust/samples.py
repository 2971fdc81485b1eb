"""Whole inputs, for the suites of faults to damage."""

import gzip
import io
import tarfile

import numpy as np
from PIL import Image

LABELS = [
    b'daisy\ndandelion\nroses\n',
    b'\xef\xbb\xbfa b\r\nc\r\n',
    'caf\xe9\n\u82b1\n'.encode(),
]


def photos():
    """Returns a list of the bytes of small photos of each kind that is read."""
    image = Image.fromarray(np.random.RandomState(1).randint(0, 255, (24, 32, 3)).astype(np.uint8))
    made = []
    for mode, options in (
        ('RGB', dict(format='JPEG')),
        ('RGB', dict(format='JPEG', progressive=True, quality=30)),
        ('L', dict(format='JPEG')),
        ('CMYK', dict(format='JPEG')),
        ('RGB', dict(format='PNG')),
        ('RGBA', dict(format='PNG')),
        ('P', dict(format='PNG')),
        ('I;16', dict(format='PNG')),
        ('P', dict(format='GIF', save_all=True, append_images=[image.convert('P').rotate(90)])),
        ('RGB', dict(format='BMP')),
        ('L', dict(format='BMP')),
    ):
        data = io.BytesIO()
        image.convert('I' if mode == 'I;16' else mode).convert(mode).save(data, **options)
        made.append(data.getvalue())
    return made


def archive_of(members):
    """Returns the bytes of a .tgz of (name, bytes)."""
    data = io.BytesIO()
    with gzip.GzipFile(fileobj=data, mode='wb', mtime=0) as file:  # The same bytes each time.
        file.write(_tar_of(members, tarfile.DEFAULT_FORMAT))
    return data.getvalue()


def tars():
    """Returns a list of the bytes of a small .tar, not compressed, in each of its formats."""
    members = [('a/graph.pb', b'graph'), ('labels.txt', b'a\nb\n')]
    formats = tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT
    return [_tar_of(members, each) for each in formats]


def _tar_of(members, kind):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w', format=kind) as made:
        for name, contents in members:
            info = tarfile.TarInfo(name)
            info.size = len(contents)
            made.addfile(info, io.BytesIO(contents))
    return data.getvalue()
