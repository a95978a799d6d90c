"""The one error of this library, and the kind of it that a program ends by in its own way."""

from typing import ClassVar


class ConstructError(ValueError):
    """Something that cannot work was asked for.

    Its message is one sentence: what is wrong, the value, the limit, and what to change.
    """


class DamagedError(ConstructError):
    """What was kept is not what was sent, or is no longer there: to try again helps nobody."""

    exit_code: ClassVar[int] = 3  # of a program; 2 is that of the parsers of command lines
