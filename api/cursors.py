"""Cursors, hidden from the client: of a list that goes back in time, and of one that goes contact by contact."""

import base64
import binascii
import math
import re
from datetime import UTC, datetime
from typing import Final

from api.problems import Mistake, Problem
from api.reads import UUID
from callcenter.db.reports import ReceiptCursor

FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def opaque(at: float, item_id: str) -> str:
    """What a page is answered with as its `next_cursor`; `item_id` has no blanks."""
    return base64.urlsafe_b64encode(f"{at!r} {item_id}".encode()).decode()


def behind(cursor: str, ids: re.Pattern[str]) -> tuple[float, str]:
    """Instant and id that `opaque` hid, an id of that form; raises Problem 422 for anything else."""
    try:
        written_at, item_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().split(" ")
        at = float(written_at)
    except (ValueError, binascii.Error):
        at, item_id = math.nan, ""
    if not FIRST.timestamp() <= at <= LAST.timestamp() or not ids.fullmatch(item_id):
        raise _not_ours()
    return at, item_id


def opaque_record(last: ReceiptCursor) -> str:
    """What a page of contacts' records is answered with as its `next_cursor`."""
    return base64.urlsafe_b64encode(f"{last.n} {last.stream}".encode()).decode()


def record_behind(cursor: str) -> ReceiptCursor:
    """The record that `opaque_record` hid; raises Problem 422 for anything else."""
    try:
        n, contact_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().split(" ", 1)
        last = ReceiptCursor(contact_id, int(n))
    except (ValueError, binascii.Error):
        last = ReceiptCursor("", -1)
    if not UUID.fullmatch(last.stream) or not 0 <= last.n < 1 << 31:
        raise _not_ours()
    return last


def _not_ours() -> Problem:
    what = "is no next_cursor of ours; begin again without it"
    mistake = Mistake(where="query.cursor", what=what)
    return Problem(422, "invalid_request", "The request is not valid", f"cursor {what}", mistakes=[mistake])
