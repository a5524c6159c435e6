"""Customers of another system, read and checked against the site: every mistake with its place, or all of them."""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from callcenter.config.fields import NAME_CHARS_MAX
from callcenter.config.numbers import e164
from callcenter.config.site import Site
from callcenter.db.customer_records import CustomerRecord

NEEDED: Final = ("customer_id", "name", "phones")
OPTIONAL: Final = ("value_tier", "language", "segment", "preferred_agent", "at_risk", "usage")
MISTAKES_MAX: Final = 100
USAGE_MAX: Final = 1e12

# One customer as texts by column, and where it stands: `line 3`.
Row = tuple[str, Mapping[str, str]]

_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_MORE: Final = ""
_FLAGS = {"": None, "true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True)
class Wrong:
    """One mistake: where it stands, and what to change."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: the customers, or the first mistakes."""

    records: tuple[CustomerRecord, ...]
    mistakes: tuple[Wrong, ...]


def read_customers(lines: Iterable[str], site: Site) -> Reading:
    """The customers of a CSV file whose first line names its columns; else as `check_customers`."""
    rows = csv.DictReader(lines, restkey=_MORE, strict=True)
    try:
        wrong = _headings(rows.fieldnames or ())
        if wrong:
            return Reading((), wrong)
        return check_customers(_rows(rows), site)
    except csv.Error as error:
        return Reading((), (Wrong(f"line {rows.line_num}", f"no CSV: {error}"),))


def check_customers(rows: Iterable[Row], site: Site) -> Reading:
    """The customers of these rows; each row has at least what is NEEDED.

    `phones` are separated by semicolons, as dialed in the site's region or in E.164. An empty cell, or a
    column that is missing, says that it is not known (the tier: the site's default).
    """
    records: dict[str, CustomerRecord] = {}
    mistakes: list[Wrong] = []
    for where, row in rows:
        record, wrong = _record({name: cell.strip() for name, cell in row.items()}, site)
        if record.customer_id in records:
            wrong.append(f"customer {record.customer_id!r} is there twice")
        mistakes += [Wrong(where, what) for what in wrong]
        if len(mistakes) >= MISTAKES_MAX:
            break
        records[record.customer_id] = record
    return Reading(() if mistakes else tuple(records.values()), tuple(mistakes[:MISTAKES_MAX]))


def _headings(given: Iterable[str]) -> tuple[Wrong, ...]:
    columns = list(given)
    missing = [name for name in NEEDED if name not in columns]
    strange = [name for name in columns if name not in {*NEEDED, *OPTIONAL}]
    wrong = (
        *(f"the column {name!r} is missing" for name in missing),
        *(f"nobody knows a column {name!r}; there are {', '.join((*NEEDED, *OPTIONAL))}" for name in strange),
        *(["a column is named twice"] if len(set(columns)) < len(columns) else []),
    )
    return tuple(Wrong("line 1", what) for what in wrong)


def _rows(rows: "csv.DictReader[str]") -> Iterator[Row]:
    """The rows of a CSV file; a cell beyond the first line's columns stays under _MORE."""
    for row in rows:
        yield f"line {rows.line_num}", {name: _MORE if name == _MORE else cell or "" for name, cell in row.items()}


def _record(row: Mapping[str, str], site: Site) -> tuple[CustomerRecord, list[str]]:
    """The customer of one line, and what is wrong with it."""
    wrong: list[str] = []

    def among(name: str, known: Iterable[str], otherwise: str | None = None) -> str | None:
        cell = row.get(name, "")
        if cell and cell not in known:
            wrong.append(f"{name} {cell!r} is none of the site's: {', '.join(known)}")
        return cell or otherwise

    if not _ID.fullmatch(row["customer_id"]):
        wrong.append("customer_id must be 1-32 letters, digits, - and _")
    if not row["name"]:
        wrong.append("name is empty")
    wrong += [
        f"{name} must be at most {NAME_CHARS_MAX} printable characters"
        for name in ("name", "segment")
        if len(row.get(name, "")) > NAME_CHARS_MAX or not row.get(name, "").isprintable()
    ]
    phones = {written: e164(written, site.region) for written in re.split(r"\s*;\s*", row["phones"]) if written}
    wrong += [f"{written!r} is no phone number" for written, phone in phones.items() if phone is None]
    flag = row.get("at_risk", "").lower()
    if flag not in _FLAGS:
        wrong.append(f"at_risk must be true or false, not {flag!r}")
    usage = _number(row.get("usage", ""))
    if usage is not None and not 0.0 <= usage <= USAGE_MAX:
        wrong.append(f"usage must be a number from 0 to {USAGE_MAX:g}")
    if _MORE in row:
        wrong.append("it has more cells than the first line")
    record = CustomerRecord(
        customer_id=row["customer_id"],
        name=row["name"],
        value_tier=among("value_tier", site.value_tiers, site.default_value_tier) or site.default_value_tier,
        phones=tuple(dict.fromkeys(phone for phone in phones.values() if phone is not None)),
        language=among("language", site.languages),
        segment=row.get("segment") or None,
        preferred_agent=among("preferred_agent", site.agents),
        at_risk=_FLAGS.get(flag),
        usage=usage,
    )
    return record, wrong


def _number(cell: str) -> float | None:
    """The number in a cell; None if it is empty, NaN if it is none."""
    try:
        return float(cell) if cell else None
    except ValueError:
        return math.nan
