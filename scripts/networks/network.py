"""What the registry says of a network. No TensorFlow here."""

import types
import typing

from scripts.images.settings import APPLY, FAST, Channels, PixelSpec


class Given(typing.NamedTuple):
    """What a user says of a network, in place of its row or of what is found; None: nothing.

    The fields are the flags of `scripts.retrain` of the same names.
    """

    input_layer: typing.Optional[str] = None
    bottleneck_layer: typing.Optional[str] = None
    input_height: typing.Optional[int] = None
    input_width: typing.Optional[int] = None
    input_mean: typing.Optional[Channels] = None
    input_std: typing.Optional[Channels] = None


class Network(typing.NamedTuple):
    """One network, pretrained or with random weights.

    What is None in a row, fields of `pixels` included, `backbone.load` finds: in the description
    that the graph carries, or in its nodes. The network of a `Backbone` is complete.

    name: the value of `--architecture`, and a part of the names of bottleneck files.
    graph_file: the frozen graph's path below the model folder, or an absolute one.
    archive: its whole address, or the path below DOWNLOAD_ROOT: a .tgz, or the graph itself; None:
      there is none, and the graph stands in the model folder or is embedded.
    checksum: the archive's SHA-256 or SHA-384 in hex, or None where it is unknown.
    input_name: the node that is fed.
    bottleneck_name: the node whose output, `[batch, bottleneck_length]`, is the bottleneck. It may
      be `[batch, 1, 1, bottleneck_length]` in a row.
    output_name: the node by which the bottleneck is found, where a row has no bottleneck_name.
    checked: whether the names of nodes were checked against the real file.
    recipe: a mapping from flags of training to the values that suit the network.
    classic: whether text files of bottlenecks without a record are used: the classic script and
      earlier versions wrote such files.
    given: the `Given`.
    variant: 8 hex digits where what is given makes other bottlenecks than those of the name.
    seed: int, of the random weights of a network that `scratch` makes; None: it is pretrained.
    """

    name: str
    graph_file: str
    archive: typing.Optional[str]
    checksum: typing.Optional[str]
    input_name: typing.Optional[str]
    bottleneck_name: typing.Optional[str]
    bottleneck_length: typing.Optional[int]
    pixels: PixelSpec
    output_name: typing.Optional[str] = None
    checked: bool = True
    recipe: typing.Mapping[str, typing.Any] = types.MappingProxyType({})
    classic: bool = False
    given: Given = Given()
    variant: str = ''
    seed: typing.Optional[int] = None

    @property
    def from_scratch(self):
        """Whether it has random weights, and is trained as a whole."""
        return self.seed is not None

    @property
    def cache_name(self):
        """The name in the names of files of features."""
        # Bottlenecks of other pixels stand beside the classic ones, never in their place.
        name = self.name + '_exif' * (self.pixels.exif_rotation == APPLY)
        name += '_fast' * (self.pixels.decode == FAST)
        return name + ('_' + self.variant if self.variant else '')
