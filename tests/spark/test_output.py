"""Whether a folder may be written to, told without Spark."""

import pytest

from scripts.common.errors import UserError
from scripts.features import table
from scripts.spark import output
from tests.features.test_table import ABOUT, FLAGS


class Folder:
    """A `Storage` of one file or none."""

    uri = 'hdfs://host/features'

    def __init__(self, files):
        self._files = files

    def exists(self, name=None):
        return name is None or name in self._files

    def visible_names(self):
        return list(self._files)

    def read(self, name):
        return self._files[name]


def check(monkeypatch, files, about):
    """Checks a folder of files, a dict from name to bytes, for features of an `About`."""
    monkeypatch.setattr(output, 'Storage', lambda spark, uri: Folder(files))
    output.Output(None, Folder.uri).check(about)


@pytest.mark.once
def test_a_new_folder_and_one_of_the_same_features_are_written_to(monkeypatch):
    check(monkeypatch, {}, ABOUT)
    check(monkeypatch, {table.ABOUT: table.to_json(ABOUT)}, ABOUT)


@pytest.mark.parametrize(
    'about, words',
    [
        (ABOUT._replace(fingerprint='00' * 32), 'holds features of another network'),
        (ABOUT._replace(flags=dict(FLAGS, split_key='name')), 'holds features of --split_key=path'),
        (ABOUT._replace(groups='5a'), 'holds features of another file of --groups'),
    ],
)
@pytest.mark.once
def test_a_folder_of_other_features_is_refused(monkeypatch, about, words):
    with pytest.raises(UserError, match='--output=hdfs://host/features ' + words):
        check(monkeypatch, {table.ABOUT: table.to_json(ABOUT)}, about)


@pytest.mark.once
def test_a_folder_of_something_else_is_refused(monkeypatch):
    with pytest.raises(UserError, match='holds something else than features: give a new folder'):
        check(monkeypatch, {'thesis.doc': b''}, ABOUT)
