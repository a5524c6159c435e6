"""Rows as the bytes of COPY's binary format, made once and sent as they are.

A row is the number of its fields, then each field: four bytes of length and the value as PostgreSQL keeps it, highest
byte first; NULL is the length -1 (PostgreSQL's manual, COPY, Binary Format; src/backend/utils/adt/*_send and *_recv).
Names, kinds and instants come again and again, so their fields are remembered. What no field can hold raises
OverflowError or ValueError here; PostgreSQL itself says the rest.
"""

import struct
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Boolean, DateTime, Double, Integer, Table, Text, Uuid

from callcenter.db.engine import while_connected

Connection = Any  # asyncpg's connection; asyncpg has no types

BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
EPOCH_DAY = date(2000, 1, 1)  # PostgreSQL counts days and microseconds from here
EPOCH_US = 946_684_800_000_000
FIRST_US, LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999, as Python can read back
FIELDS_KEPT = 8_192
TEXT_OID = 25

_length = struct.Struct("!i").pack
_int4 = struct.Struct("!ii").pack
_int8 = struct.Struct("!iq").pack
_float8 = struct.Struct("!id").pack
_no_array = struct.Struct("!iiI").pack
_array = struct.Struct("!iiIii").pack


@dataclass(frozen=True, slots=True)
class Copy:
    """Rows for `columns` of `table`, encoded, in portions."""

    table: str
    columns: Sequence[str]
    portions: Sequence[bytes]

    async def send(self, connection: Connection) -> None:
        """Put all rows; raises engine's FAULTS, asyncpg.UniqueViolationError if one is there already, say."""
        if self.portions:
            source = self._messages()
            sending = connection.copy_to_table(self.table, source=source, columns=self.columns, format="binary")
            await while_connected(connection, sending)

    async def _messages(self) -> AsyncIterator[bytes]:
        yield BEGIN
        for portion in self.portions:
            yield portion
        yield END


def field(value: bytes) -> bytes:
    """A field of these very bytes: bytea, or what is sent as its own text."""
    return _length(len(value)) + value


def jsonb(value: bytes) -> bytes:
    """A field of JSON, given as its text in UTF-8."""
    return _length(len(value) + 1) + b"\1" + value


@lru_cache(FIELDS_KEPT)
def text(value: str | None) -> bytes:
    """A field of text."""
    return NULL if value is None else field(value.encode())


@lru_cache(FIELDS_KEPT)
def uuid_(value: str) -> bytes:
    """A field of a UUID, given in hexadecimal."""
    return field(uuid.UUID(value).bytes)


def day(value: date) -> bytes:
    """A field of a date."""
    return _int4(4, (value - EPOCH_DAY).days)


def microseconds(at: float) -> int:
    """The nearest whole microsecond of an instant, as timestamptz counts them."""
    since_1970 = round(at * 1e6)
    if not FIRST_US <= since_1970 <= LAST_US:
        raise OverflowError(f"{at} is no instant of the years 1 to 9999")
    return since_1970 - EPOCH_US


@lru_cache(FIELDS_KEPT)
def instant(at: float | None) -> bytes:
    """A field of an instant: seconds since 1970."""
    return NULL if at is None else _int8(8, microseconds(at))


@lru_cache(FIELDS_KEPT)
def _seconds(value: float | None) -> bytes:
    return NULL if value is None else _float8(8, value)


def _integer(value: int) -> bytes:
    return _int4(4, value)


def long(value: int) -> bytes:
    """A field of a bigint."""
    return _int8(8, value)


def _boolean(value: bool) -> bytes:
    return b"\0\0\0\1" + (b"\1" if value else b"\0")


def _texts(values: tuple[str, ...]) -> bytes:
    """An array's dimensions, whether it holds NULL, its type, then length and lower bound of the one dimension."""
    if not values:
        return field(_no_array(0, 0, TEXT_OID))
    return field(_array(1, 0, TEXT_OID, len(values), 1) + b"".join(map(text, values)))


FIELDS: Mapping[type, Callable[[Any], bytes]] = {
    ARRAY: _texts,
    BigInteger: long,
    Boolean: _boolean,
    DateTime: instant,
    Double: _seconds,
    Integer: _integer,
    Text: text,
    Uuid: uuid_,
}


def encoded(table: Table, rows: Iterable[object]) -> bytes:
    """`rows` have the table's columns as attributes; instants are seconds since 1970."""
    head, values, fields = _shape(table)
    parts: list[bytes] = []
    try:
        for row in rows:
            parts.append(head)
            parts += [make(value) for make, value in zip(fields, values(row), strict=True)]
    except struct.error as error:
        raise OverflowError(str(error)) from error
    return b"".join(parts)


@cache
def _shape(table: Table) -> tuple[bytes, Callable[[object], tuple[Any, ...]], list[Callable[[Any], bytes]]]:
    columns = list(table.c)
    return (
        len(columns).to_bytes(2, "big"),
        attrgetter(*(column.name for column in columns)),
        [FIELDS[type(column.type)] for column in columns],
    )
