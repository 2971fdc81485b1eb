"""Getting an archive over the network, and unpacking it without trusting it."""

import hashlib
import logging
import os
import posixpath
import shutil
import tarfile
import urllib.error
import urllib.request
import zlib

from scripts import files
from scripts.errors import UserError
from scripts.progress import Progress

_LOG = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 60


class DownloadError(Exception):
    """An archive could not be had whole; the message says why."""


def download(url, path, sha256):
    """Downloads `url` to `path`, whole or not at all.

    Args:
      url: the address.
      path: the file to write; its folder is made where it is missing.
      sha256: the checksum in hex, or None where it is unknown.

    Raises:
      DownloadError: no answer, an answer that is cut short, or other bytes than expected.
      UserError: the file cannot be written.
    """
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response:
            _save(response, path, sha256)
    except urllib.error.HTTPError as error:
        raise DownloadError('the server answered %d %s' % (error.code, error.reason))
    except urllib.error.URLError as error:
        raise DownloadError(str(error.reason))


def check(path, sha256):
    """Raises DownloadError unless the file at `path` is a whole .tgz with that checksum."""
    digest = hashlib.sha256()
    try:
        with open(path, 'rb') as file:
            for chunk in iter(lambda: file.read(_CHUNK_BYTES), b''):
                digest.update(chunk)
        if sha256 is not None and digest.hexdigest() != sha256:
            raise DownloadError('its SHA-256 is %s, expected %s' % (digest.hexdigest(), sha256))
        with tarfile.open(path, 'r:gz') as archive:
            archive.getmembers()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DownloadError('it is not a whole .tgz archive (%s)' % error)


def unpack(path, folder):
    """Unpacks the regular files of the .tgz at `path` below `folder`, each one whole or not at all.

    Raises:
      UserError: a member would land outside of `folder` or is a link or a device; then nothing
        is unpacked.
    """
    with tarfile.open(path, 'r:gz') as archive:
        members = archive.getmembers()
        for member in members:
            _refuse_unsafe(member, path)
        for member in members:
            if member.isfile():
                with files.replacing(os.path.join(folder, member.name)) as file:
                    shutil.copyfileobj(archive.extractfile(member), file)


def _save(response, path, sha256):
    length = response.headers.get('Content-Length')
    total = int(length) if length and length.isdigit() else None
    free = files.free_bytes(os.path.dirname(path))
    if total and 3 * total > free:  # The archive, and beside it what it unpacks to.
        raise UserError(
            '%s needs about %d MB and only %d MB are free: make room or choose another '
            '--model_dir' % (path, 3 * total // 10**6, free // 10**6)
        )
    with files.replacing(path) as file:
        received = _copy(response, file, total, os.path.basename(path))
        file.flush()
        if total is not None and received != total:
            raise DownloadError('it ended after %d of %d bytes' % (received, total))
        check(file.name, sha256)


def _copy(response, file, total, name):
    received = 0
    with Progress('Downloading ' + name, total, 'B') as progress:
        while True:
            try:
                chunk = response.read(_CHUNK_BYTES)
            except OSError as error:  # The connection's; those of the disk are not caught here.
                raise DownloadError('the connection broke after %d bytes (%s)' % (received, error))
            if not chunk:
                return received
            file.write(chunk)
            received += len(chunk)
            progress.advance(len(chunk))


def _refuse_unsafe(member, path):
    name = posixpath.normpath(member.name)
    outside = name.startswith(('/', '..')) or os.path.isabs(member.name) or '\\' in name
    if outside or not (member.isfile() or member.isdir()):
        raise UserError(
            '%s holds the unsafe member %s (outside of its folder, a link or a '
            'device): nothing was unpacked; delete the archive' % (path, member.name)
        )
