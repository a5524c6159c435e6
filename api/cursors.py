"""The cursor of a list that goes back in time: the instant and the id of a page's last item, hidden from the client."""

import base64
import binascii
import math
import re
from datetime import UTC, datetime
from typing import Final

from api.problems import Mistake, Problem

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
        what = "is no next_cursor of ours; begin again without it"
        mistake = Mistake(where="query.cursor", what=what)
        raise Problem(422, "invalid_request", "The request is not valid", f"cursor {what}", mistakes=[mistake])
    return at, item_id
