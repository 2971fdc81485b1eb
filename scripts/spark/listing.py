"""The photos of folders as Spark's `binaryFile` source lists and reads them."""

from scripts.common.errors import UserError
from scripts.spark import naming, worker
from scripts.spark.storage import Storage, glob_of

# What is packed into a partition takes this much, the file's own size apart: so the number of files
# decides, and not how large they are. 2**31 files of it fit Spark's 63 bits.
_FILE_BYTES = 1 << 32
_LISTED_AT_ONCE = 1 << 17
_MOST_BYTES = (1 << 31) - 1  # Of a photo; `binaryFile` reads no larger ones.

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
        if len({storage.uri for storage, *_ in self._folders}) < len(self._folders):
            raise UserError(
                '--test_dir=%s and --image_dir=%s are the same folder: give a folder of other '
                'photos to test on, or leave out --test_dir' % (rules.test_dir, rules.image_dir)
            )

    def survey(self):
        """Returns the `naming.Survey` of all files; unlike Spark's own list, it has empty ones.

        Raises:
          UserError: Java cannot read the names of some.
        """
        survey = naming.Survey()
        for storage, _, is_test, _ in self._folders:
            for entry in storage.entries():
                if entry.name.startswith('.'):
                    continue
                if entry.bytes is not None or entry.name.startswith('_'):
                    survey.add(self._rules, entry.name, is_test, entry.bytes)
                    continue
                for each in storage.entries(entry.name):
                    if not each.name.startswith('.'):
                        relative = '%s/%s' % (entry.name, each.name)
                        survey.add(self._rules, relative, is_test, each.bytes)
        return survey

    def photos(self):
        """Returns a DataFrame of all photos but empty ones, without their contents."""
        self._pack(_LISTED_AT_ONCE, self._spark.sparkContext.defaultParallelism)
        return self._photos(_COLUMNS)

    def contents(self, at_once):
        """Returns a DataFrame of all photos but empty ones, with their contents.

        Args:
          at_once: how many photos to have in a partition.
        """
        self._pack(at_once)
        return self._photos(_COLUMNS + ('content',)).where('bytes <= %d' % _MOST_BYTES)

    def _pack(self, at_once, at_least=1):
        """Lets what is read from now on have so many files in a partition, and so many of those."""
        conf = self._spark.conf
        conf.set('spark.sql.files.openCostInBytes', _FILE_BYTES)
        conf.set('spark.sql.files.maxPartitionBytes', _FILE_BYTES * at_once)
        conf.set('spark.sql.files.minPartitionNum', at_least)

    def _photos(self, columns):
        """Returns some columns of a DataFrame of all photos."""
        from pyspark.sql import functions

        frames = []
        for storage, folder, is_test, read in self._folders:
            # Not by the folder's own address: a port, say, may be told in one and not in the other.
            relative = functions.substring_index('path', '/', -2)
            parts = functions.size(functions.split('path', '/'))
            # Those in class folders, and not deeper or beside these.
            of_classes = read.where(parts == storage.uri.count('/') + 3)
            frame = of_classes.select(
                functions.concat(functions.lit(naming.prefix_of(folder)), relative).alias('path'),
                relative.alias('relative'),
                functions.lit(is_test).alias('is_test'),
                functions.col('length').alias('bytes'),
                functions.expr('unix_micros(modificationTime)').alias('modified'),
                'content',
            )
            frames.append(frame)
        photos = frames[0] if len(frames) == 1 else frames[0].union(frames[1])
        return photos.select(*columns)  # What is not selected is not read.

    def _load(self, storage):
        # What cannot be read is left out here, and found missing later.
        reader = self._spark.read.format('binaryFile').option('recursiveFileLookup', 'true')
        reader = reader.option('ignoreCorruptFiles', 'true').option('ignoreMissingFiles', 'true')
        # Other files are not read at all: some are large.
        reader = reader.option('pathGlobFilter', _glob_of_names(self._rules.extensions))
        return reader.load(glob_of(storage.uri))


def _glob_of_names(extensions):
    """Returns the pattern, of Hadoop, of names with some extensions, in upper or lower case."""
    names = {each.lower() for each in extensions}
    letters = [''.join('[%s%s]' % (each, each.upper()) for each in name) for name in names]
    return '*.{%s}' % ','.join(sorted(letters))


def as_photos(rows):
    """Yields a `worker.Photo` for each Row."""
    for row in rows:
        yield worker.Photo(*row)
