"""User errors, as opposed to bugs in this program."""


class UserError(Exception):
    """Ends a command with one line and exit status 1.

    The message says what was found, what was expected and what to do.
    """
