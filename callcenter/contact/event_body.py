"""What every contact event has: its public name and version."""

from typing import ClassVar


class Body:
    """The base of every event's body: its public name and version."""

    __slots__ = ()
    type: ClassVar[str]
    version: ClassVar[int] = 1
