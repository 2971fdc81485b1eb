"""Groups of photos that belong to one category, such as near-duplicates: a CSV file.

Its columns are `group`, any text, and `image`, `<folder>/<file>`; check_photos writes it. The
photos of a group go where the one of them goes whose name comes first.
"""

import csv
import hashlib
import io
import typing

from scripts.common import encodings, files
from scripts.common.errors import UserError

_COLUMNS = ('group', 'image')


class Groups(typing.NamedTuple):
    """What a file of groups holds.

    first: dict from the `<folder>/<file>` of each photo to that of the first one of its group.
    sha256: of the file, in hex.
    """

    first: typing.Dict[str, str]
    sha256: str

    def first_of(self, folder, file_name):
        """Returns the folder and the file whose category a photo has."""
        folder, file_name = encodings.as_utf8(folder), encodings.as_utf8(file_name)
        name = '%s/%s' % (folder, file_name)
        return tuple(self.first.get(name, name).rsplit('/', 1))


def to_csv(groups):
    """Returns the bytes of a file of groups, a list of lists of pairs of folder and file name."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(_COLUMNS)
    for number, group in enumerate(groups, 1):
        for folder, file_name in group:
            writer.writerow([number, '%s/%s' % (folder, file_name)])
    return text.getvalue().encode('utf-8', 'surrogateescape')


def read(path):
    """Returns the `Groups` in a file; raises UserError where it holds none."""
    data = files.read(path, 'file of groups')
    text = data.decode('utf-8-sig', 'surrogateescape')
    members, group_of = {}, {}
    try:
        rows = csv.reader(io.StringIO(text, newline=''))
        head = next(rows, [])
        if not set(_COLUMNS) <= set(head):
            raise UserError(
                '--groups=%s has the columns %s, expected group and image: give the file that '
                'check_photos --output_groups wrote' % (path, ', '.join(head) or 'of an empty file')
            )
        for row in filter(None, rows):
            if len(row) != len(head):
                raise UserError(
                    '--groups=%s: line %d has %d columns, expected %d'
                    % (path, rows.line_num, len(row), len(head))
                )
            group, image = [row[head.index(column)] for column in _COLUMNS]
            if '/' not in image:
                raise UserError(
                    '--groups=%s: line %d has the image %s, expected <folder>/<file>'
                    % (path, rows.line_num, image)
                )
            if group_of.setdefault(image, group) != group:
                raise UserError(
                    '--groups=%s: %s is in the groups %s and %s, expected one'
                    % (path, image, group_of[image], group)
                )
            members.setdefault(group, []).append(image)
    except csv.Error as error:
        raise UserError('--groups=%s is no CSV: %s' % (path, error))
    first = {image: min(images) for images in members.values() for image in images}
    return Groups(first, hashlib.sha256(data).hexdigest())
