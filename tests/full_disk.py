"""A file on a disk that is full."""


class FullDisk:
    """An open file that takes 7 bytes at a time, and so many in all."""

    def __init__(self, file, room):
        self._file, self._room = file, room
        self.fileno, self.truncate = file.fileno, file.truncate

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, data):
        """Returns how many of the bytes it took."""
        if not self._room:
            raise OSError(28, 'No space left on device')
        count = min(7, len(data), self._room)
        self._room -= count
        return self._file.write(bytes(data[:count]))
