"""Byte ranges as HTTP asks for them."""

import re

from callcenter.errors import CallCenterError
from recordings.stereo import Span

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class RangeUnsatisfiable(CallCenterError):
    """The range asked for lies outside the recording; `length` is how long it is."""

    def __init__(self, length: int) -> None:
        super().__init__(f"the recording has {length} bytes; ask for a range inside it")
        self.length = length


def span_of(header: str | None, length: int) -> Span | None:
    """What a Range header asks of `length` bytes; None: send everything (no header, or one we need not obey).

    RFC 9110 §14.2: forms we don't know, and several ranges at once, may be ignored. Raises RangeUnsatisfiable.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        wanted = min(int(last), length)
        span = Span(length - wanted, length - 1)
    else:
        span = Span(int(first), min(int(last), length - 1) if last else length - 1)
        if last and int(last) < int(first):
            return None
    if span.first >= length or span.length <= 0:
        raise RangeUnsatisfiable(length)
    return span
