"""Turning photos as their EXIF asks, inside a graph: plain operations, which serve anywhere.

There is little control flow: in a tf.data pipeline each branch or turn of a loop is a call of a
function, which takes longer than all that is done here.
"""

import tensorflow.compat.v1 as tf

from scripts.images import exif

# By orientation, from UPRIGHT on: whether rows and columns change places, and then whether the
# photo is mirrored from top to bottom and from left to right.
_TRANSPOSED = [False] * 4 + [True] * 4
_MIRRORED = 2 * [[False, False], [False, True], [True, True], [True, False]]

_ENTRY_WORDS = exif.ENTRY_BYTES // 2


def upright(image_tensor, contents_tensor):
    """Turns a decoded photo as the EXIF of its file asks.

    Args:
      image_tensor: `[h, w, channels]`.
      contents_tensor: scalar string, the encoded photo.

    Returns:
      A tensor of the same type, `[h, w, channels]` or `[w, h, channels]`.
    """
    row_tensor = orientation(contents_tensor) - exif.UPRIGHT

    def turned():
        axes_tensor = tf.where(tf.gather(_TRANSPOSED, row_tensor), [1, 0, 2], [0, 1, 2])
        mirrored_tensor = tf.boolean_mask([0, 1], tf.gather(_MIRRORED, row_tensor))
        return tf.reverse(tf.transpose(image_tensor, axes_tensor), mirrored_tensor)

    return tf.cond(tf.equal(row_tensor, 0), lambda: image_tensor, turned)


def orientation(contents_tensor):
    """Returns the int32 scalar that `exif.read_orientation` gives of the same bytes.

    Args:
      contents_tensor: scalar string, the encoded photo.
    """
    tiff_tensor = _exif_tiff(contents_tensor)
    order_tensor = tf.strings.substr(tiff_tensor, 0, len(exif.LITTLE_ENDIAN))
    is_little_tensor = tf.equal(order_tensor, exif.LITTLE_ENDIAN)
    is_tiff_tensor = is_little_tensor | tf.equal(order_tensor, exif.BIG_ENDIAN)
    size_tensor = tf.where(is_tiff_tensor, tf.strings.length(tiff_tensor), 0)
    padded_tensor = tf.strings.join([tiff_tensor, bytes(4)])

    def numbers(place_tensor, count, dtype):
        bytes_tensor = tf.strings.substr(padded_tensor, place_tensor, count)
        return tf.where(
            is_little_tensor,
            *(
                tf.cast(tf.decode_raw(bytes_tensor, dtype, each), tf.int32)
                for each in (True, False)
            ),
        )

    (offset_tensor,) = tf.unstack(numbers(tf.minimum(4, size_tensor), 4, tf.int32), 1)
    offset_tensor = tf.where(offset_tensor < 0, size_tensor, offset_tensor)  # It has no sign.
    offset_tensor = tf.minimum(offset_tensor, size_tensor)
    start_tensor = tf.minimum(offset_tensor + 2, size_tensor)
    count_tensor = tf.minimum(
        numbers(offset_tensor, 2, tf.uint16)[0], (size_tensor - start_tensor) // exif.ENTRY_BYTES
    )
    words_tensor = tf.reshape(
        numbers(start_tensor, count_tensor * exif.ENTRY_BYTES, tf.uint16), [-1, _ENTRY_WORDS]
    )
    one_tensor = tf.where(is_little_tensor, [1, 0], [0, 1])
    wanted_tensor = tf.concat([[exif.ORIENTATION_TAG, exif.SHORT], one_tensor], 0)
    row_tensor = _first_true(tf.reduce_all(tf.equal(words_tensor[:, :4], wanted_tensor), 1))
    value_tensor = tf.concat([words_tensor[:, 4], [exif.UPRIGHT]], 0)[row_tensor]
    is_known_tensor = tf.reduce_any(tf.equal(value_tensor, list(exif.ORIENTATIONS)))
    return tf.where(is_known_tensor, value_tensor, exif.UPRIGHT)


def _exif_tiff(contents_tensor):
    """Returns the TIFF data of a photo's EXIF segment, scalar string; empty where it has none."""
    size_tensor = tf.strings.length(contents_tensor)
    padded_tensor = tf.strings.join([contents_tensor, bytes(exif.HEAD_BYTES)])
    heads, places = [], [tf.minimum(len(exif.START_OF_IMAGE), size_tensor)]
    for _ in range(exif.MOST_SEGMENTS):
        heads.append(tf.strings.substr(padded_tensor, places[-1], exif.HEAD_BYTES))
        length_tensor = tf.decode_raw(
            tf.strings.substr(heads[-1], 2, 2), tf.uint16, little_endian=False
        )[0]
        places.append(tf.minimum(places[-1] + 2 + tf.cast(length_tensor, tf.int32), size_tensor))
    heads_tensor, places_tensor = tf.stack(heads), tf.stack(places)

    is_jpeg_tensor = tf.equal(tf.strings.substr(contents_tensor, 0, 2), exif.START_OF_IMAGE)
    markers_tensor = tf.strings.substr(heads_tensor, 0, 2)
    ends_tensor = (
        tf.not_equal(tf.strings.substr(heads_tensor, 0, 1), b'\xff')
        | tf.equal(markers_tensor, exif.START_OF_SCAN)
        | tf.equal(markers_tensor, exif.END_OF_IMAGE)
    )
    signatures_tensor = tf.strings.substr(heads_tensor, 4, len(exif.SIGNATURE))
    row_tensor = _first_true(
        tf.equal(markers_tensor, exif.APP1) & tf.equal(signatures_tensor, exif.SIGNATURE)
    )
    is_exif_tensor = is_jpeg_tensor & (row_tensor < _first_true(ends_tensor))
    row_tensor = tf.where(is_exif_tensor, row_tensor, 0)
    begin_tensor = tf.minimum(places_tensor[row_tensor] + exif.HEAD_BYTES, size_tensor)
    length_tensor = tf.maximum(places_tensor[row_tensor + 1] - begin_tensor, 0)
    return tf.strings.substr(
        contents_tensor, begin_tensor, tf.where(is_exif_tensor, length_tensor, 0)
    )


def _first_true(bool_tensor):
    """Returns the place of the first True of bool `[n]`, `n` where there is none; int32 scalar."""
    places_tensor = tf.cast(tf.where(bool_tensor)[:, 0], tf.int32)
    return tf.concat([places_tensor, [tf.size(bool_tensor)]], 0)[0]
