"""What all stand on: running a command, files, errors, progress."""
