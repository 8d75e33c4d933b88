"""The one exception that is the user's to mend; every command prints it as one line."""


class UserError(ValueError):
    """What came, what was expected and what to do about it, in one line.

    Commands print the message to stderr and leave with exit code 2; anything else that is raised
    is a fault of ours.
    """
