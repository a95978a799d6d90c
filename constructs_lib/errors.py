"""The one error of this library."""


class ConstructError(ValueError):
    """Something that cannot work was asked for.

    Its message is one sentence: what is wrong, the value, the limit, and what to change.
    """
