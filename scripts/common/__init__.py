"""What all stand on: flags, running a command, files, errors, progress."""
