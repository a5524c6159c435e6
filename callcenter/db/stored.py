"""An event as the journal keeps it, and the hash by which it proves itself."""

import hashlib
from typing import NamedTuple

import msgspec

from callcenter.ports import Entry


class Stored(NamedTuple):
    """An event as the journal holds it."""

    position: int
    entry: Entry
    hash: bytes
    epoch: int


def content_hash(entry: Entry) -> bytes:
    """16 bytes of blake2b over what the event says: equal for equal content, whatever the order of keys in `data`.

    `at` counts in whole microseconds, as PostgreSQL keeps it, so the hash can be computed again from a row there.
    Position, node and epoch are not content. Raises msgspec.DecodeError if `data` is not JSON.
    """
    head = (entry.stream, entry.seq, round(entry.at * 1e6), entry.type, entry.version, entry.site, entry.cause)
    content = msgspec.json.encode([*head, msgspec.json.decode(entry.data)], order="sorted")
    return hashlib.blake2b(content, digest_size=16).digest()


def proves_itself(event: Stored) -> bool:
    """Whether the event is what was stored, to the last bit that says something."""
    try:
        return content_hash(event.entry) == event.hash
    except (msgspec.MsgspecError, ValueError, OverflowError):
        return False
