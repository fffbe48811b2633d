"""The error tree. Every failure a person can meet is one of two kinds.

``UserError``     the caller can mend it: the message names the value and what was expected.
``SystemFailure`` a part failed: the message names the part and where its log is.

The command line prints the message and the hint, and exits with ``exit_code``.
"""


class LakeheadError(Exception):
    """Root of all errors that lakehead raises on purpose.

    ``hint`` is the next thing to do, most often a command.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(LakeheadError):
    """The caller can mend it."""

    exit_code = 2


class SystemFailure(LakeheadError):
    """A part of the system failed."""


class NotRunning(UserError):
    """The stack, or a part of it that this needs, is not running."""


class ProofFailed(LakeheadError):
    """An audit or a parity check found rows that it cannot account for."""

    exit_code = 1
