"""The Parquet files that a cluster writes, which `features.table` describes."""

from scripts.common.errors import UserError
from scripts.features import table
from scripts.spark.storage import Storage, glob_of

_KEY = ('path', 'bytes', 'modified')  # What tells a photo from other ones, and from its versions.


class Output:
    """A folder of features.

    spark: the SparkSession.

    Args:
      spark: the SparkSession.
      uri: of the folder.
    """

    def __init__(self, spark, uri):
        self.spark, self._storage = spark, Storage(spark, uri)

    def check(self, about):
        """Raises UserError where the folder holds something else than features of an `About`."""
        if not self._storage.exists() or not self._storage.visible_names():
            return
        if not self._storage.exists(table.ABOUT):
            raise UserError(
                '--output=%s holds something else than features: give a new folder'
                % self._storage.uri
            )
        found = table.about_of(self._storage.read(table.ABOUT), table.ABOUT)
        difference = table.difference(found, about)
        if difference:
            raise UserError(
                '--output=%s holds features of %s: give another folder'
                % (self._storage.uri, difference)
            )

    def begin(self, about):
        """Writes an `About`; the folder is then incomplete."""
        if not self._storage.exists(table.ABOUT):
            self._storage.write(table.ABOUT, table.to_json(about))
        self._storage.remove(table.COMPLETE)

    def rows(self):
        """Returns a DataFrame of what is there, or None where there is nothing."""
        kinds = (table.FEATURES, table.UNREADABLE)
        if not any(self._storage.exists(_folder_of(kind)) for kind in kinds):
            return None
        return self._read([self._storage.uri])

    def add(self, rows):
        """Adds rows, an RDD of tuples of COLUMNS. What a task has done is kept when it ends."""
        from pyspark.sql import functions

        schema = ', '.join('%s %s' % column for column in table.COLUMNS)
        frame = self.spark.createDataFrame(rows, schema, verifySchema=False)
        kind = functions.when(functions.col('why').isNull(), table.FEATURES)
        self._write(frame.withColumn(table.TABLE, kind.otherwise(table.UNREADABLE)))

    def missing(self, photos):
        """Returns those of a DataFrame of photos that are not there.

        What is there goes to all workers, as 8 bytes a photo: the contents of photos, which may be
        among their columns, stay where they are. That two of 100 million have the same 8 bytes is
        a case in 3,700; then one of them counts as there, and is missed in the end.
        """
        from pyspark.sql import functions

        rows = self.rows()
        if rows is None:
            return photos
        key = functions.xxhash64(*_KEY).alias('key')
        there = functions.broadcast(rows.select(key))
        return photos.select('*', key).join(there, 'key', 'left_anti').select(*photos.columns)

    def compact(self, photos):
        """Removes rows of what is not among a DataFrame of photos: of earlier versions, say.

        The files that have such rows are written again, and removed: a stop in between leaves rows
        that are there twice.
        """
        from pyspark.sql import functions

        rows = self.rows()
        if rows is None:
            return
        file_name = functions.element_at(functions.split(functions.input_file_name(), '/'), -1)
        named = rows.select(*_KEY, table.TABLE, file_name.alias('file'))
        dead = named.join(photos.select(*_KEY), list(_KEY), 'left_anti')
        files = ['%s/%s' % (_folder_of(kind), name) for kind, name in _distinct(dead)]
        if not files:
            return
        live = self._read(['%s/%s' % (self._storage.uri, name) for name in files])
        live = live.join(photos.select(*_KEY), list(_KEY), 'left_semi')
        self._write(live.select(*rows.columns))
        for name in files:
            self._storage.remove(name)

    def counts(self):
        """Returns the numbers of photos with features, and of unreadable ones."""
        from pyspark.sql import functions

        rows = self.rows()
        if rows is None:
            return 0, 0
        counted = dict(rows.groupBy(table.TABLE).agg(functions.countDistinct('path')).collect())
        return counted.get(table.FEATURES, 0), counted.get(table.UNREADABLE, 0)

    def end(self, complete):
        """Writes the `table.Complete`."""
        self._storage.write(table.COMPLETE, table.to_json(complete))

    def unreadable(self, most):
        """Returns pairs of the path of an unreadable photo and what is wrong with it, some."""
        rows = self.rows().where("%s = '%s'" % (table.TABLE, table.UNREADABLE))
        return [tuple(row) for row in rows.select('path', 'why').limit(most).collect()]

    def _read(self, uris):
        schema = ', '.join('%s %s' % column for column in table.COLUMNS)
        reader = self.spark.read.schema('%s, %s string' % (schema, table.TABLE))
        reader = reader.option('basePath', self._storage.uri)
        return reader.parquet(*map(glob_of, uris))

    def _write(self, frame):
        # Both kinds of a task have a file open: otherwise Spark would sort what it writes.
        self.spark.conf.set('spark.sql.maxConcurrentOutputFileWriters', 2)
        writer = frame.write.mode('append').partitionBy(table.TABLE)
        # What a task has written takes its place at once, not when all of the job is done.
        writer = writer.option('mapreduce.fileoutputcommitter.algorithm.version', '2')
        writer.parquet(self._storage.uri)


def _folder_of(kind):
    return '%s=%s' % (table.TABLE, kind)


def _distinct(dead):
    rows = dead.select(table.TABLE, 'file').distinct().collect()
    return sorted((row[0], row[1]) for row in rows)
