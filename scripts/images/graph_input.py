"""What a graph wants to be fed: what it says of itself, or else what its nodes tell."""

import logging
import typing

from scripts.common.errors import UserError
from scripts.graphs import search
from scripts.images.settings import GREY, PixelSpec

_LOG = logging.getLogger(__name__)

# The fed nodes of the two families, each with what its network was trained on.
_INPUTS = {
    'input': PixelSpec(224, 224, 127.5, 127.5),  # MobileNet v1; declares its size.
    'Mul': PixelSpec(299, 299, 128, 128),  # Inception v3.
}
_DEFAULT = _INPUTS['input']


class GraphInput(typing.NamedTuple):
    """The name of the node that is fed, and its `PixelSpec`."""

    name: str
    pixels: PixelSpec


def read_off(graph_def, name=None, description=None):
    """Returns the `GraphInput` of a graph.

    Args:
      graph_def: a GraphDef.
      name: the node that the user says is fed, or None: the described one, `input`, `Mul` or the
        only placeholder.
      description: the graph's `Description`, or None.

    Raises:
      UserError: there is no such node.
    """
    placeholders = search.placeholders(graph_def)
    nodes = search.nodes_by_name(graph_def)
    described = description and description.input
    wanted = described and (name is None or search.node_name(name) == described.name)
    if wanted and described.name in nodes:
        return GraphInput(described.name, PixelSpec(*described[1:]))
    if name is None:
        name = next((each for each in _INPUTS if each in nodes), None)
    if name is None:
        if len(placeholders) != 1:
            raise UserError(
                'the graph has neither a node input nor a node Mul; say which one is '
                'fed with --input_layer: %s'
                % (', '.join(placeholders) or 'it has no placeholder, so it is no classifier')
            )
        name = placeholders[0]
    node = search.require_node(graph_def, name, placeholders)
    spec = _INPUTS.get(node.name, _DEFAULT)
    # Asking for an attribute that a node lacks would add it.
    dims = node.attr['shape'].shape.dim if 'shape' in node.attr else ()
    if len(dims) == 4 and dims[1].size > 0 and dims[2].size > 0:
        spec = spec._replace(height=dims[1].size, width=dims[2].size)
    if len(dims) == 4 and dims[3].size == GREY:
        spec = spec._replace(channels=GREY)
    return GraphInput(node.name, spec)


def warn_of_guess(graph_input):
    """Warns where the mean and std of a graph without a description are a guess."""
    if graph_input.name not in _INPUTS:
        _LOG.warning(
            'the graph is fed at %s, and does not say how: assuming mean %g and std %g, those of '
            'MobileNet; set --input_mean and --input_std where they differ',
            graph_input.name,
            graph_input.pixels.mean,
            graph_input.pixels.std,
        )
