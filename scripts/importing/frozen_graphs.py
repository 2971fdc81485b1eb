"""Reads frozen graphs that other programs made, as sources."""

from scripts.common import files
from scripts.common.errors import UserError
from scripts.graphs import description, graph_files, search
from scripts.importing import source as source_lib


def read(path, nodes):
    """Returns the `source.Source` of a frozen graph, and the `description.Input` in it, or None.

    Args:
      path: of the file.
      nodes: the `settings.Nodes` that are meant.

    Raises:
      UserError: it is no frozen graph, is refused, or its input or output is not clear.
    """
    graph_def = graph_files.parse(files.read(path, 'graph'), path)
    described = description.find(graph_def)
    input_name = _input(graph_def, nodes.input, path)
    output_name = nodes.output or (described and described.output_name)
    output_name = _output(graph_def, output_name, input_name, path)

    def no_variables(found):
        raise UserError(
            '%s is not frozen: the node %s (%s) is a variable, whose value is elsewhere; expected '
            'a frozen graph, or a SavedModel by --saved_model' % (path, found[0].name, found[0].op)
        )

    source = source_lib.make(graph_def, input_name, output_name + ':0', no_variables, path)
    return source, described and described.description.input


def _input(graph_def, name, path):
    placeholders = search.placeholders(graph_def)
    if name is not None:
        return search.require_node(graph_def, name, placeholders).name
    if len(placeholders) != 1:
        raise UserError(
            '%s has the placeholders %s; expected one: choose the node that takes images by '
            '--input_layer' % (path, ', '.join(placeholders[:5]) or 'none')
        )
    return placeholders[0]


def _output(graph_def, name, input_name, path):
    fed = search.downstream(graph_def, input_name)
    outputs = [each for each in search.outputs(graph_def) if each in fed]
    if name is not None:
        return search.require_node(graph_def, name, outputs).name
    if len(outputs) != 1:
        raise UserError(
            '%s has the outputs %s; expected one: choose one by --output_layer'
            % (path, ', '.join(outputs[:5]) or 'none')
        )
    return outputs[0]
