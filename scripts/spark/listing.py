"""The photos of folders as Spark's `binaryFile` source lists and reads them."""

import re

from scripts.common.errors import UserError
from scripts.spark import naming, worker
from scripts.spark.storage import Storage, glob_of

# What is packed into a partition takes this much, the file's own size apart: so the number of files
# decides, and not how large they are. 2**31 files of it fit Spark's 63 bits.
_FILE_BYTES = 1 << 32
_MOST_BYTES = (1 << 31) - 1  # Of a photo; `binaryFile` reads no larger ones.

_REPLACED = '\ufffd'  # What Java has in the place of bytes that are no text.

_COLUMNS = ('path', 'relative', 'is_test', 'bytes', 'modified')


class Listing:
    """All files in the folders of photos.

    Args:
      spark: the SparkSession.
      rules: the `naming.Rules`.

    Raises:
      UserError: there is no such folder.
    """

    def __init__(self, spark, rules):
        self._spark, self._rules = spark, rules
        self._folders = []
        for folder, is_test in rules.folders:
            storage = Storage(spark, naming.uri_of(folder))
            if not storage.exists():
                flag = 'test_dir' if is_test else 'image_dir'
                raise UserError('--%s=%s: no such folder' % (flag, folder))
            self._folders.append((storage, folder, is_test, self._load(storage)))

    def survey(self):
        """Returns the `naming.Survey` of all files.

        Raises:
          UserError: Java cannot read the names of some.
        """
        rules = self._rules

        def count(rows):
            survey = naming.Survey()
            for path, relative, is_test, *_ in rows:
                survey.add(rules, relative, is_test, path)
            yield survey

        files = self._files().select(*_COLUMNS)
        parts = files.rdd.mapPartitions(count)
        survey = parts.fold(naming.Survey(), lambda one, other: one.merge(other))
        unread = [path for path in survey.examples.values() if _REPLACED in path]
        if unread:
            raise UserError(
                '%s: Java cannot read this name: set LC_ALL=C.UTF-8, or rename it' % unread[0]
            )
        return survey

    def passed_over(self):
        """Returns the paths of what Spark never lists: names that begin with _."""
        return [path for storage, *_ in self._folders for path in storage.passed_over()]

    def photos(self):
        """Returns a DataFrame of all photos, without their contents."""
        return self._photos(_COLUMNS)

    def contents(self, at_once):
        """Returns a DataFrame of all photos with their contents.

        Args:
          at_once: how many photos to have in a partition.
        """
        conf = self._spark.conf
        conf.set('spark.sql.files.openCostInBytes', _FILE_BYTES)
        conf.set('spark.sql.files.maxPartitionBytes', _FILE_BYTES * at_once)
        conf.set('spark.sql.files.minPartitionNum', 1)
        return self._photos(_COLUMNS + ('content',)).where('bytes <= %d' % _MOST_BYTES)

    def _photos(self, columns):
        from pyspark.sql import functions

        names = '|'.join(re.escape(each) for each in self._rules.extensions)
        pattern = r'(?i)^[^/]+/[^/]*\.(?:%s)$' % names
        files = self._files().where(functions.col('relative').rlike(pattern))
        return files.select(*columns)

    def _files(self):
        """Returns a DataFrame of all files; what is not selected of it is not read."""
        from pyspark.sql import functions

        frames = []
        for storage, folder, is_test, read in self._folders:
            relative = functions.substring(functions.col('path'), len(storage.uri) + 2, _MOST_BYTES)
            frame = read.select(
                functions.concat(functions.lit(naming.prefix_of(folder)), relative).alias('path'),
                relative.alias('relative'),
                functions.lit(is_test).alias('is_test'),
                functions.col('length').alias('bytes'),
                functions.expr('unix_micros(modificationTime)').alias('modified'),
                'content',
            )
            frames.append(frame)
        return frames[0] if len(frames) == 1 else frames[0].union(frames[1])

    def _load(self, storage):
        # What cannot be read is left out here, and found missing later.
        reader = self._spark.read.format('binaryFile').option('recursiveFileLookup', 'true')
        reader = reader.option('ignoreCorruptFiles', 'true').option('ignoreMissingFiles', 'true')
        return reader.load(glob_of(storage.uri))


def as_photos(rows):
    """Yields a `worker.Photo` for each Row."""
    for row in rows:
        yield worker.Photo(*row)
