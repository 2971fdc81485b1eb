"""Downloads archives and unpacks them as untrusted input."""

import gzip
import hashlib
import http.client
import logging
import os
import posixpath
import shutil
import socket
import tarfile
import urllib.error
import urllib.request
import zlib

from scripts.common import appending, files, limits
from scripts.common.errors import UserError
from scripts.common.progress import Progress

_LOG = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 16
_TIMEOUT_SECONDS = 60
_PART = '.part'
_GRAPH_EXTENSION = '.pb'
_SHA384_DIGITS = 96
_PARTIAL, _NOTHING_LEFT = 206, 416  # Statuses of responses to a request for a range.

# Far above the largest archive, Inception's, of 89 MB.
_MOST_UNPACKED_BYTES = 1 << 30
_MOST_MEMBERS = 1000

# Headers that extend the next member's, such as by a long name.
_EXTENDED = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
_MOST_EXTENDED_BYTES = 1 << 13
_LONGEST_SHOWN = 200  # Characters of a name.


class DownloadError(Exception):
    """An archive could not be downloaded, or is corrupt; the message says why."""


class _Member(tarfile.TarInfo):
    """A member of an archive without long headers, which Python reads in quadratic time."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        """Returns the member with the header `buf`; raises DownloadError where it is refused."""
        member = super().frombuf(buf, encoding, errors)
        if member.type in _EXTENDED and member.size > _MOST_EXTENDED_BYTES:
            raise DownloadError('it has a header of %d bytes' % member.size)
        return member


def download(url, path, checksum):
    """Downloads `url` to `path`, completely or not at all.

    Where the connection breaks, the partial download is kept beside it as `<path>.part`, and the
    next download resumes from it where the server can.

    Args:
      url: the address.
      path: the file to write; its folder is created where it is missing.
      checksum: its SHA-256 or SHA-384 in hex, or None where it is unknown.

    Raises:
      DownloadError: no response, a truncated one, or other bytes than expected.
      UserError: the file cannot be written.
    """
    with appending.growing(path + _PART) as part:
        if os.path.exists(path) and _is_complete(path, checksum):  # Another run has just got it.
            appending.discard(part)
            return
        resumed = os.path.getsize(part.name) > 0
        _fetch(url, part)
        if resumed and not _is_complete(part.name, checksum):
            _LOG.warning('checksum mismatch of the resumed %s; downloading it again', path)
            part.truncate(0)
            _fetch(url, part)
        try:
            check(part.name, checksum)
        except DownloadError:
            appending.discard(part)
            raise
        appending.move(part, path)


def is_graph(path):
    """Returns whether an archive, by its name, is no archive but the graph itself."""
    return path.endswith((_GRAPH_EXTENSION, _GRAPH_EXTENSION + _PART))


def _is_complete(path, checksum):
    try:
        check(path, checksum)
    except DownloadError:
        return False
    return True


def check(path, checksum):
    """Raises DownloadError unless the file at `path` is complete, and has that checksum.

    Args:
      path: of a .tgz, or of a graph.
      checksum: its SHA-256 or SHA-384 in hex, or None.
    """
    algorithm = 'sha384' if len(checksum or '') == _SHA384_DIGITS else 'sha256'
    digest = hashlib.new(algorithm)
    try:
        with open(path, 'rb') as file:
            if file.read(_CHUNK_BYTES).lstrip().startswith(b'<'):
                raise DownloadError('it is a web page, such as a sign-in page, not an archive')
            file.seek(0)
            for chunk in iter(lambda: file.read(_CHUNK_BYTES), b''):
                digest.update(chunk)
        if checksum is not None and digest.hexdigest() != checksum:
            raise DownloadError(
                'checksum mismatch: its %s is %s, expected %s'
                % (algorithm.replace('sha', 'SHA-'), digest.hexdigest(), checksum)
            )
        if is_graph(path):
            return
        _check_size(path)
        with tarfile.open(path, 'r:gz', tarinfo=_Member) as archive:
            for count, member in enumerate(archive):
                if count == _MOST_MEMBERS or member.size > _MOST_UNPACKED_BYTES:
                    raise DownloadError('it unpacks to more than an archive of a network may')
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, OverflowError) as error:
        raise DownloadError('it is not a complete .tgz archive (%s)' % error)
    except RecursionError:  # So many headers that extend the next member's.
        raise DownloadError('it has more headers than members')


def _check_size(path):
    """Reads all of a .tgz, which checks its checksum too, but for one that unpacks to too much."""
    size = 0
    with gzip.open(path) as unpacked:
        for chunk in iter(lambda: unpacked.read(_CHUNK_BYTES), b''):
            size += len(chunk)
            if size > _MOST_UNPACKED_BYTES:
                raise DownloadError(
                    'it unpacks to more than %d MB, too much for an archive of a network'
                    % (_MOST_UNPACKED_BYTES >> 20)
                )


def take_out(path, name, folder):
    """Writes the file `name` of the .tgz at `path` below `folder`, completely or not at all.

    Nothing else is unpacked, and nothing where there is no such file. The last of several counts.

    Raises:
      UserError: any member would land outside of `folder` or is a link or a device.
    """
    with tarfile.open(path, 'r:gz', tarinfo=_Member) as archive:
        members = archive.getmembers()
        for member in members:
            _refuse_unsafe(member, path)
        wanted = [each for each in members if each.isfile() and _name_of(each) == name]
        if wanted:
            with files.replacing(os.path.join(folder, name)) as file:
                shutil.copyfileobj(archive.extractfile(wanted[-1]), file)


def _name_of(member):
    name = os.fsdecode(member.name.encode('utf-8', 'surrogateescape'))
    return posixpath.normpath(name)


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https to an unencrypted scheme."""

    def redirect_request(self, req, *details):
        """Returns the Request to follow; raises URLError for one that is refused."""
        address = details[-1]
        if req.type == 'https' and not address.lower().startswith('https:'):
            raise urllib.error.URLError('it redirects to %s, which is not https' % address)
        return super().redirect_request(req, *details)


def _fetch(url, part):
    """Downloads `url` to the file `part`, or the rest of it where that holds its beginning."""
    begun = os.path.getsize(part.name)
    request = urllib.request.Request(url, headers={'Range': 'bytes=%d-' % begun} if begun else {})
    try:
        opener = urllib.request.build_opener(_SameScheme)
        with opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
            if begun and _resumes(response, begun):
                _LOG.info('Resuming after the first %d bytes', begun)
            else:
                part.truncate(0)
            _save(response, part)
    except urllib.error.HTTPError as error:
        if error.code != _NOTHING_LEFT or not begun:
            raise DownloadError('the server responded %d %s' % (error.code, error.reason))
        part.truncate(0)
        _fetch(url, part)
    except urllib.error.URLError as error:
        raise DownloadError(str(error.reason))
    except (socket.timeout, http.client.HTTPException, ConnectionError) as error:
        raise DownloadError('incomplete response (%s)' % (error or type(error).__name__))


def _resumes(response, begun):
    content_range = response.headers.get('Content-Range', '')
    return response.status == _PARTIAL and content_range.startswith('bytes %d-' % begun)


def _save(response, part):
    length = response.headers.get('Content-Length')
    total = int(length) if length and length.isdigit() else None
    free = limits.free_bytes(os.path.dirname(part.name))
    if total and 3 * total > free:  # The archive, and the files unpacked from it.
        raise UserError(
            '%s needs about %d MB and only %d MB are free: make room or choose another '
            '--model_dir' % (part.name, 3 * total // 10**6, free // 10**6)
        )
    received = _copy(response, part, total)
    if total is not None and received != total:
        raise DownloadError(
            'it ended after %d of %d bytes%s' % (received, total, _what_is_kept(part))
        )


def _what_is_kept(part):
    if not os.path.getsize(part.name):
        return ''
    return '; partial download kept; rerun to resume'


def _copy(response, part, total):
    received = 0
    name = os.path.basename(part.name)[: -len(_PART)]
    with Progress('Downloading ' + name, total, 'B') as progress:
        while True:
            try:
                chunk = response.read1(_CHUNK_BYTES)  # What has arrived, even if it is less.
            except (OSError, http.client.HTTPException) as error:  # Not those of the disk.
                raise DownloadError(
                    'the connection broke after %d bytes (%s)%s'
                    % (received, error, _what_is_kept(part))
                )
            if not chunk:
                return received
            received += len(chunk)
            if received > _MOST_UNPACKED_BYTES:
                raise DownloadError('it is larger than any archive of a network')
            part.write(chunk)
            progress.advance(len(chunk))


def _refuse_unsafe(member, path):
    name = posixpath.normpath(member.name)
    outside = name.startswith(('/', '..')) or os.path.isabs(member.name) or '\\' in name
    if outside or not (member.isfile() or member.isdir()):
        raise UserError(
            '%s holds the unsafe member %s (outside of its folder, a link or a '
            'device): nothing was unpacked; delete the archive'
            % (path, member.name[:_LONGEST_SHOWN])
        )
