"""Whole inputs, for the suites of faults to corrupt."""

import gzip
import io
import json
import struct
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


_CRC32C_BITS = 0x82F63B78


def _masked_crc32c(data):
    """The checksum of TensorFlow's records."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CRC32C_BITS if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack('<I', ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data, claimed=None):
    """Returns a record as in event files, with right checksums, that claims so many bytes."""
    length = struct.pack('<Q', len(data) if claimed is None else claimed)
    return length + _masked_crc32c(length) + data + _masked_crc32c(data)


def events():
    """Returns a list of serialized events, as a training writes them."""
    import tensorflow.compat.v1 as tf

    made = [tf.Event(wall_time=1, file_version='brain.Event:2')]
    for step in range(6):
        event = tf.Event(wall_time=2 + step, step=step)
        event.summary.value.add(tag='accuracy_1', simple_value=step / 10)
        event.summary.value.add(tag='cross_entropy_1', simple_value=1.5)
        histogram = event.summary.value.add(tag='activations').histo
        histogram.bucket.extend([1, 2, 3])
        histogram.bucket_limit.extend([0, 1, 2])
        made.append(event)
    made.append(tf.Event(step=6, session_log=tf.SessionLog(status=tf.SessionLog.START)))
    return [event.SerializeToString() for event in made]


def checkpoint(meta, arrays):
    """Returns the bytes of a checkpoint: what it says as JSON values, and a dict of arrays."""
    data = io.BytesIO()
    np.savez(data, **dict(arrays, meta=np.array(json.dumps(meta))))
    return data.getvalue()
