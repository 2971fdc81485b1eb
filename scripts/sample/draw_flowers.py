"""Draws the photos of the demo: one folder for each of five kinds of flower, and held-out photos.

  python -m scripts.sample.draw_flowers --output_dir=tf_files/sample_photos \\
      --held_out_dir=tf_files/sample_held_out

The same seed and release of Pillow always draw the same photos. Existing files are kept, even if
another seed drew them.
"""

import io
import multiprocessing
import os
import typing

from scripts.common import command, files, flags, output_checks
from scripts.common.errors import UserError
from scripts.sample import flowers

JPEG_QUALITY = 88

FLAGS = flags.FlagValues()


def _define_flags(define):
    define.string('output_dir', '', 'The folder to draw to, with one sub-folder per kind.')
    define.string(
        'held_out_dir',
        '',
        'The folder of held-out photos, <kind>_<number>.jpg, which are not in --output_dir. '
        'Default: none are drawn.',
    )
    define.integer('per_class', 100, 'The number of photos per kind.', flags.POSITIVE)
    define.integer(
        'held_out_per_class', 1, 'The number of held-out photos per kind.', flags.POSITIVE
    )
    define.integer(
        'seed', 1, 'The seed of the random numbers: different seeds draw different photos.'
    )


_define_flags(flags.Definer(FLAGS))


class Drawing(typing.NamedTuple):
    """The path of a photo to write, and its kind and seed as flowers.draw takes them."""

    path: str
    kind: str
    seed: typing.Any


def write_photo(drawing):
    """Draws and writes a `Drawing` unless its file is there; returns whether it was drawn."""
    if os.path.exists(drawing.path):
        return False
    data = io.BytesIO()
    flowers.draw(drawing.kind, drawing.seed).save(data, 'JPEG', quality=JPEG_QUALITY)
    files.write(drawing.path, data.getvalue())
    return True


def drawings(values):
    """Returns the list of `Drawing`s that the parsed flags ask for."""
    result = [
        Drawing(
            os.path.join(values.output_dir, kind, '%s_%03d.jpg' % (kind, i)),
            kind,
            (values.seed, i),
        )
        for kind in flowers.CLASSES
        for i in range(1, values.per_class + 1)
    ]
    if values.held_out_dir:  # Seeds of their own: no photo is held out and in the data set too.
        result += [
            Drawing(
                os.path.join(values.held_out_dir, '%s_%d.jpg' % (kind, i)),
                kind,
                (values.seed, 'held out', i),
            )
            for kind in flowers.CLASSES
            for i in range(1, values.held_out_per_class + 1)
        ]
    return result


def main(values, arguments):
    """Checks the flags and draws what is missing."""
    command.refuse_arguments(arguments)
    if not values.output_dir:
        raise UserError('--output_dir is missing: say where to draw the photos')
    folders = [folder for folder in (values.output_dir, values.held_out_dir) if folder]
    if values.held_out_dir and (os.path.abspath(values.held_out_dir) + os.sep).startswith(
        os.path.abspath(values.output_dir) + os.sep
    ):
        raise UserError(
            '--held_out_dir %s is within --output_dir, where each folder is a class; '
            'give it a place outside' % values.held_out_dir
        )
    for folder in folders:
        output_checks.check_folder_writable(folder)
    wanted = drawings(values)
    with multiprocessing.Pool() as pool:
        drawn = sum(pool.imap_unordered(write_photo, wanted, chunksize=8))
        pool.close()  # Its processes end by themselves: a signal just after a fork can be lost.
        pool.join()
    where = ' and '.join(folders)
    if drawn:
        print('Drew %d photo%s in %s' % (drawn, '' if drawn == 1 else 's', where))
    else:
        print('All %d photos are in %s already' % (len(wanted), where))


if __name__ == '__main__':
    command.run(main, FLAGS)
