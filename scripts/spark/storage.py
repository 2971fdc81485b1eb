"""Small files in any folder that Spark reaches, through Hadoop's own file systems."""


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

    def names(self):
        """Returns the list of the names in the folder, of those that Spark passes over, too."""
        return [each.getPath().getName() for each in self._files.listStatus(self._root)]

    def passed_over(self):
        """Returns the paths of what Spark takes for hidden, and this program does not: `_name`."""
        found = []
        for pattern in ('_*', '*/_*'):
            path = self._jvm.org.apache.hadoop.fs.Path(glob_of(self.uri) + '/' + pattern)
            found += [each.getPath().toString() for each in self._files.globStatus(path) or []]
        return found

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


def glob_of(path):
    """Returns the pattern that matches one path alone."""
    return ''.join('\\' + each if each in '{}[]*?\\' else each for each in path)
