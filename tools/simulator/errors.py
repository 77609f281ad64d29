"""What a person can put right: one line that says what, where, and what to do.

UsageError           the command line ends with status 2
├── KeyFileError     a private key that is missing, in the way, or not a key
└── ScenarioError    a scenario that is unknown, cannot be read, or does not hold together
"""


class UsageError(Exception):
    """Something asked for cannot be done as asked; the message is one whole line for the person who asked."""


class KeyFileError(UsageError):
    """A private key file cannot be written, read or understood."""


class ScenarioError(UsageError):
    """A scenario cannot be found, read or understood."""
