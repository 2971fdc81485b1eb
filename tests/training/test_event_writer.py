"""Event files as TensorFlow writes them."""

import os
import re

import pytest
import tensorflow.compat.v1 as tf

from scripts.common.errors import UserError
from scripts.training import summaries
from scripts.training.event_writer import EventWriter


def test_what_is_written_is_read_back(tmp_path):
    summary = tf.Summary(value=[tf.Summary.Value(tag='accuracy_1', simple_value=0.5)])
    with tf.Graph().as_default() as graph:
        tf.constant([1.0, 2.0], name='pair')
    with EventWriter(str(tmp_path / 'new'), '.from-7') as writer:
        writer.add_graph(graph.as_graph_def(add_shapes=True))
        writer.begin_again(7)
        writer.add_summary(summary, 7)
        writer.add_summary(summary.SerializeToString(), 8)
    (name,) = os.listdir(str(tmp_path / 'new'))
    assert re.match(r'events\.out\.tfevents\.\d{10}\..+\.from-7$', name)
    path = str(tmp_path / 'new' / name)
    assert summaries.count_records(path) == (5, True)
    first, *events = tf.train.summary_iterator(path)
    assert first.file_version == 'brain.Event:2' and first.wall_time > 1e9
    (node,) = tf.GraphDef.FromString(events[0].graph_def).node
    assert node.name == 'pair' and node.attr['_output_shapes'].list.shape[0].dim[0].size == 2
    assert events[1].session_log.status == tf.SessionLog.START and events[1].step == 7
    assert [(event.step, event.summary) for event in events[2:]] == [(7, summary), (8, summary)]


def test_a_file_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / 'file').write_bytes(b'')
    with pytest.raises(UserError, match='cannot write .*events.out.tfevents'):
        EventWriter(str(tmp_path / 'file'))


def test_what_cannot_be_written_costs_only_the_events(tmp_path, monkeypatch):
    with EventWriter(str(tmp_path)) as writer:
        monkeypatch.setattr(writer, '_writer', None)
        writer.add_summary(tf.Summary(), 1)
