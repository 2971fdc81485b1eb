"""Small files in any folder that Spark reaches, through Hadoop's own file systems."""

import re
import typing

_AT_ONCE = 1 << 17  # Entries that are one text.

# How Hadoop prints what it knows of a file or a folder: FileStatus.toString(), of all versions.
_STATUS = re.compile(
    r'\w*\{path=(?P<path>.*); isDirectory=(?:true|false; length=(?P<bytes>\d+)); ', re.DOTALL
)


class Entry(typing.NamedTuple):
    """The name of a file or folder, and its size in bytes, None of a folder."""

    name: str
    bytes: typing.Optional[int]


class Storage:
    """A folder.

    Args:
      spark: the SparkSession.
      uri: of the folder, which need not exist yet.
    """

    def __init__(self, spark, uri):
        self._jvm = spark.sparkContext._jvm
        self._root = self._jvm.org.apache.hadoop.fs.Path(uri)
        self._files = self._root.getFileSystem(spark.sparkContext._jsc.hadoopConfiguration())

    @property
    def uri(self):
        """The folder's address, with its scheme and host."""
        return self._files.makeQualified(self._root).toString()

    def exists(self, name=None):
        """Returns whether the folder, or what has a name in it, is there."""
        return self._files.exists(self._path(name))

    def visible_names(self):
        """Returns the list of the names in the folder, but for those that begin with a dot."""
        return [entry.name for entry in self.entries() if not entry.name.startswith('.')]

    def entries(self, folder=None):
        """Yields the `Entry` of each file and folder in the folder, or in one in it."""
        iterators = self._jvm.org.apache.hadoop.util.functional.RemoteIterators
        found = iterators.toList(self._files.listStatusIterator(self._path(folder)))
        join, count = self._jvm.org.apache.commons.lang3.StringUtils.join, found.size()
        for begin in range(0, count, _AT_ONCE):
            # One call for all: a call for each of them would take hours for 100 million.
            text = join(found.subList(begin, min(begin + _AT_ONCE, count)), '\0')
            for status in text.split('\0'):
                yield _entry_of(status)

    def read(self, name):
        """Returns the bytes of a file."""
        stream = self._files.open(self._path(name))
        try:
            return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
        finally:
            stream.close()

    def write(self, name, data):
        """Writes a file under another name, and renames it."""
        written = self._path('.%s.writing' % name)
        stream = self._files.create(written, True)
        try:
            stream.write(bytearray(data))
        finally:
            stream.close()
        self.remove(name)
        self._files.rename(written, self._path(name))

    def remove(self, name):
        """Removes a file or a folder, if it is there."""
        self._files.delete(self._path(name), True)

    def _path(self, name):
        return self._root if name is None else self._jvm.org.apache.hadoop.fs.Path(self._root, name)


def _entry_of(text):
    """Returns the `Entry` that a FileStatus prints."""
    found = _STATUS.match(text)
    if found is None:
        raise ValueError('cannot read the listing of Hadoop: %r' % text)
    size = found.group('bytes')
    return Entry(found.group('path').rpartition('/')[2], None if size is None else int(size))


def glob_of(path):
    """Returns the pattern that matches one path alone."""
    return ''.join('\\' + each if each in '{}[]*?\\' else each for each in path)
