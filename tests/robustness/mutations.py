"""Corruption of bytes and graphs, drawn from a numpy RandomState."""

import contextlib
import copy
import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import tensorflow.compat.v1 as tf

from tests.robustness import samples

_NUMBERS = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**31, 2**32 - 1)
_TOKENS = (
    b'nan', b'inf', b'-', b'e999', b'1e-400', b',', b',,', b' ', b'\n', b'\r\n', b'\r', b'\0',
    b'\xef\xbb\xbf', b'\xff\xfe', b'\xc3', b'\xe2\x80\xa8', b'\x85', b'"', b'[', b'{', b'}',
    b'null', b'0x10', b'9' * 400, b'[' * 2000, b'<html>', b'\xed\xa0\x80', b'1_0', b'true',
)  # fmt: skip


def corrupted(random, data, others=()):
    """Returns bytes like `data` with one to four kinds of corruption.

    Args:
      random: a RandomState.
      data: bytes.
      others: bytes to splice into.
    """
    for _ in range(random.randint(1, 5)):
        kind = _KINDS[random.randint(len(_KINDS))]
        data = kind(random, data, others)
    return data


def _place(random, data):
    return random.randint(len(data) + 1)


def _flip(random, data, _):
    changed = bytearray(data)
    for _ in range(min(random.randint(1, 9), len(data))):
        changed[random.randint(len(data))] ^= 1 << random.randint(8)
    return bytes(changed)


def _cut(random, data, _):
    return data[: _place(random, data)] if random.randint(2) else data[_place(random, data) :]


def _take_out(random, data, _):
    start = _place(random, data)
    return data[:start] + data[start + random.randint(1, 65) :]


def _repeat(random, data, _):
    start = _place(random, data)
    chunk = data[start : start + random.randint(1, 65)]
    return data[:start] + chunk * random.randint(1, 9) + data[start:]


def _splice(random, data, others):
    other = others[random.randint(len(others))] if others else data
    return data[: _place(random, data)] + other[_place(random, other) :]


def _overwrite(random, data, _):
    start, size = _place(random, data), random.randint(1, 33)
    new = bytes(size) if random.randint(3) == 0 else random.bytes(size)
    return data[:start] + new + data[start + size :]


def _number(random, data, _):
    start, value = _place(random, data), _NUMBERS[random.randint(len(_NUMBERS))]
    new = struct.pack('<>'[random.randint(2)] + 'I', value)[: random.randint(1, 5)]
    return data[:start] + new + data[start + len(new) :]


def _token(random, data, _):
    start = _place(random, data)
    return data[:start] + _TOKENS[random.randint(len(_TOKENS))] + data[start:]


def _anything(random, _, __):
    return random.bytes(random.randint(300))


_KINDS = (_flip,) * 4 + (_cut, _take_out, _repeat, _splice, _overwrite, _number, _token) * 2
_KINDS += (_anything,)


def corrupted_photo(random, data, others):
    """Returns the bytes of a photo, corrupted; half of them in the size that their header says."""
    if random.randint(2):
        return corrupted(random, data, others)
    header = bytearray(data)
    if data.startswith(b'\x89PNG'):
        header[16:24] = struct.pack('>II', _side(random), _side(random))
        header[24] = random.choice([1, 2, 4, 8, 16, header[24]])
        header[29:33] = struct.pack('>I', zlib.crc32(bytes(header[12:29])) & 0xFFFFFFFF)
    elif data.startswith(b'BM'):
        header[18:26] = struct.pack(
            '<ii', _side(random) - 5, _side(random) * random.choice([1, -1])
        )
        header[28] = random.choice([1, 8, 24, 32, 255])
        header[10] = random.choice([0, 54, 255])
    elif data.startswith(b'GIF'):
        header[6:10] = struct.pack('<HH', _side(random) % 65536, _side(random) % 65536)
    else:
        frame = max(data.find(b'\xff\xc0'), data.find(b'\xff\xc2'))
        header[frame + 5 : frame + 9] = struct.pack(
            '>HH', _side(random) % 65536, _side(random) % 65536
        )
    return bytes(header)


def _side(random):
    return int(random.choice([0, 1, 48, 3000, 20000, 65535, 2**16, 2**30, 2**31 - 1]))


def corrupted_archive(random, data, others):
    """Returns the bytes of a .tgz, corrupted: as they are, or the archive in it, or its members."""
    kind = random.randint(3)
    if kind == 0:
        return corrupted(random, data, others)
    if kind == 1:
        return gzip.compress(corrupted(random, gzip.decompress(data)), 1)
    return _hostile_archive(random, data)


_NAMES = (
    '../outside', 'a/../../outside', '/{base}/outside', './../outside', 'a//b', '.', '', '..',
    'a' * 300, 'a/' * 120 + 'b',
    'caf\xe9', '\udcff', 'a\nb', 'a\\..\\b', '...', ' ', '~root/x', 'con', 'a\0b',
)  # fmt: skip
_TYPES = (
    tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE,
    tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE,
    b'\xff',
)  # fmt: skip


def _hostile_archive(random, data):
    with tarfile.open(fileobj=io.BytesIO(data), mode='r:gz') as archive:
        members = [(each, archive.extractfile(each).read()) for each in archive.getmembers()]
    made = io.BytesIO()
    with tarfile.open(
        fileobj=made, mode='w:gz', compresslevel=1, format=random.randint(3)
    ) as archive:
        for member, contents in members:
            if random.randint(2):
                archive.addfile(member, io.BytesIO(contents))
            with contextlib.suppress(ValueError):  # No format has room for everything.
                archive.addfile(*_hostile_member(random, member.name))
    return made.getvalue()


def _hostile_member(random, name):
    info = tarfile.TarInfo(name if random.randint(2) else _NAMES[random.randint(len(_NAMES))])
    info.type = _TYPES[random.randint(len(_TYPES))] if random.randint(2) else tarfile.REGTYPE
    info.linkname = _NAMES[random.randint(len(_NAMES))]
    info.mode = random.randint(0o10000)
    info.size = int(random.choice([0, 1, 10, 100000])) if info.isreg() else 0
    return info, io.BytesIO(bytes(info.size))


def corrupted_graph(random, data, others):
    """Returns the bytes of a GraphDef, corrupted: as they are, or what its nodes say."""
    if random.randint(4) == 0:
        return corrupted(random, data, others)
    graph_def = tf.GraphDef.FromString(data)
    for _ in range(random.randint(1, 3)):
        node = graph_def.node[random.randint(len(graph_def.node))]
        _GRAPH_KINDS[random.randint(len(_GRAPH_KINDS))](random, graph_def, node)
    return graph_def.SerializeToString()


def _other_node(random, graph_def):
    return graph_def.node[random.randint(len(graph_def.node))]


def _rewire(random, graph_def, node):
    name = _other_node(random, graph_def).name  # Cycles are among these.
    name = str(random.choice([name, '^' + name, name + ':1', 'nowhere', '', ':', '^', 'a:b', name]))
    if node.input and random.randint(3):
        node.input[random.randint(len(node.input))] = name
    else:
        node.input.append(name)


def _disconnect(random, _, node):
    if node.input:
        del node.input[random.randint(len(node.input))]


def _rename(random, graph_def, node):
    names = [
        _other_node(random, graph_def).name,
        '',
        'input',
        '_',
        'a b',
        '../x',
        'final_result',
        '\n',
    ]
    node.name = str(random.choice(names))


_OPS = (
    'NoSuchOp', '',
    'Placeholder', 'Identity', 'Switch', 'Merge', 'Enter', 'While', 'Reshape', 'Pad',
    'PartitionedCall', 'VariableV2', '_Arg', '_Recv', 'Fill', 'Range', 'Split', 'Squeeze', 'Concat',
)  # fmt: skip


def _other_op(random, graph_def, node):
    node.op = str(random.choice(_OPS + (_other_node(random, graph_def).op,)))


def _lose_attribute(random, _, node):
    if node.attr:
        del node.attr[str(random.choice(sorted(node.attr)))]


def _swap_attribute(random, graph_def, node):
    other = _other_node(random, graph_def)
    if node.attr and other.attr:
        key = str(random.choice(sorted(node.attr)))
        node.attr[key].CopyFrom(other.attr[str(random.choice(sorted(other.attr)))])


def _odd_attribute(random, _, node):
    key = str(
        random.choice(sorted(node.attr) + ['_output_shapes', '_class', 'T', 'shape', 'dtype'])
    )
    value = tf.AttrValue()
    kind = random.randint(7)
    if kind == 0:
        value.type = int(random.choice([0, 1, 3, 7, 20, 23, 101, 120, 9999]))
    elif kind == 1:
        value.i = int(random.choice([-1, 0, 2**31, 2**62, -(2**63)]))
    elif kind == 2:
        value.s = random.bytes(4)
    elif kind == 3:
        value.shape.CopyFrom(_odd_shape(random))
    elif kind == 4:
        value.list.i.extend([int(each) for each in random.randint(-2, 1000, random.randint(6))])
    elif kind == 5:
        value.func.name = 'no_such_function'
    else:
        value.tensor.dtype = int(random.choice([1, 3, 7, 9, 20, 101]))
        value.tensor.tensor_shape.CopyFrom(_odd_shape(random))
        value.tensor.tensor_content = random.bytes(random.randint(9))
    node.attr[key].CopyFrom(value)


def _odd_shape(random):
    shape = tf.TensorShape(None).as_proto()
    shape.unknown_rank = bool(random.randint(4) == 0)
    for _ in range(random.randint(6)):
        shape.dim.add(size=int(random.choice([-2, -1, 0, 1, 3, 2**20, 2**31, 2**40, 2**62])))
    return shape


def _odd_constant(random, graph_def, _):
    constants = [node for node in graph_def.node if 'value' in node.attr]
    if not constants:
        return
    tensor = constants[random.randint(len(constants))].attr['value'].tensor
    kind = random.randint(5)
    if kind == 0:
        tensor.tensor_shape.CopyFrom(_odd_shape(random))
    elif kind == 1:
        tensor.dtype = int(random.choice([0, 1, 3, 4, 7, 9, 12, 19, 20, 101, 999]))
    elif kind == 2:
        tensor.tensor_content = tensor.tensor_content[: random.randint(64)]
    elif kind == 3:
        tensor.int_val.extend([-1, 2**31 - 1])
    else:
        tensor.ClearField('tensor_shape')


def _double(random, graph_def, node):
    graph_def.node.add().CopyFrom(node)


def _lose_node(random, graph_def, _):
    del graph_def.node[random.randint(len(graph_def.node))]
    if not graph_def.node:
        graph_def.node.add(name='x', op='NoOp')


def _odd_version(random, graph_def, _):
    graph_def.versions.producer = int(random.choice([-1, 0, 1, 134, 9999, 2**31 - 1]))
    graph_def.versions.min_consumer = int(random.choice([0, 0, 9999]))


def _odd_function(random, graph_def, node):
    function = graph_def.library.function.add()
    function.signature.name = str(random.choice(['f', node.op, '']))
    function.signature.input_arg.add(name='x', type=int(random.choice([0, 1, 999])))
    function.node_def.add().CopyFrom(node)
    function.ret['y'] = str(random.choice(['x', 'z:0:0', '']))


def _device(random, _, node):
    node.device = str(random.choice(['/device:GPU:7', '/job:x', 'nonsense', '/cpu:0', '\0']))


def _description(random, graph_def, _):
    for node in graph_def.node:
        if '_classifier' in node.attr:
            node.attr['_classifier'].s = corrupted(random, node.attr['_classifier'].s)


_GRAPH_KINDS = (
    _rewire, _rewire, _disconnect, _rename, _other_op, _other_op, _lose_attribute, _swap_attribute,
    _odd_attribute, _odd_attribute, _odd_constant, _odd_constant, _double, _lose_node, _odd_version,
    _odd_function, _device, _description, _description,
)  # fmt: skip


def corrupted_checkpoint(random, data, others):
    """Returns the bytes of a checkpoint, corrupted: as they are, or its members, or its values."""
    kind = random.randint(3)
    if kind == 0:
        return corrupted(random, data, others)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if kind == 1:
        return _with_corrupt_members(random, members)
    arrays = {name[: -len('.npy')]: np.load(io.BytesIO(each)) for name, each in members.items()}
    meta = json.loads(str(arrays.pop('meta')))
    for _ in range(random.randint(1, 4)):
        if random.randint(2):
            odd_value(random, meta)
        else:
            name = str(random.choice(sorted(arrays) + ['variable/more']))
            before = arrays.get(name, np.zeros((2, 2), 'f'))
            with contextlib.suppress(ValueError, OverflowError):  # Not every kind holds all others.
                arrays[name] = _odd_array(random, before)
    return samples.checkpoint(meta, arrays)


def _with_corrupt_members(random, members):
    made = io.BytesIO()
    with zipfile.ZipFile(made, 'w') as archive:
        for name, contents in members.items():
            written = contents
            if random.randint(2):
                written = corrupted(random, contents, list(members.values()))
            if random.randint(10):
                kind = zipfile.ZIP_STORED if random.randint(8) else zipfile.ZIP_DEFLATED
                archive.writestr(name, written, kind)
    return made.getvalue()


_ODD_VALUES = (
    None, True, False, -1, 0, 0.5, 1e300, -5, 2**31, 10**12, 10**30, float('nan'), float('inf'), '',
    '7', [], [1], [0.5, 3], [0.5, 10**12], [float('nan'), 3], {}, {'a': {}}, [[]] * 3, 'x' * 10000,
)  # fmt: skip


def odd_value(random, values):
    """Changes one of a dict's values, or of those in it, or takes it out."""
    key = sorted(values)[random.randint(len(values))] if values else 'new'
    if isinstance(values.get(key), dict) and random.randint(2):
        odd_value(random, values[key])
    elif random.randint(5) == 0:
        values.pop(key, None)
    else:
        values[key] = copy.deepcopy(_ODD_VALUES[random.randint(len(_ODD_VALUES))])


def _odd_array(random, array):
    kind = random.randint(5)
    if kind == 0:
        array = array.copy()
        array.flat[0:1] = random.choice([np.nan, np.inf, -np.inf, 3e38, 0])
    elif kind == 1:
        array = array.astype(str(random.choice(['f2', 'f8', 'i4', 'U', 'S', '?', 'c8'])))
    elif kind == 2:
        array = array.reshape(-1)[: random.randint(4)]
    elif kind == 3:
        array = array.T
    else:
        array = np.zeros([0] * random.randint(1, 30), array.dtype)
    return array


def corrupted_events(random, events, others):
    """Returns the bytes of an event file, corrupted: as they are, or what is in its records.

    Args:
      random: a RandomState.
      events: list of serialized events.
      others: bytes to splice into.
    """
    if random.randint(3) == 0:
        return corrupted(random, b''.join(map(samples.record, events)), others)
    records = []
    for event in events:
        kind = random.randint(8)
        claimed = int(random.choice(_NUMBERS)) << int(random.choice([0, 8, 32]))
        if kind == 0:
            records.append(samples.record(corrupted(random, event, events)))
        elif kind == 1:
            records.append(samples.record(event, claimed & 2**64 - 1))
        elif kind != 2:
            records.append(samples.record(event))
    return b''.join(records)
