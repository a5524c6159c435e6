"""The list of recordings: pages, filters, and whose recordings an agent sees; running API, real database."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from callcenter.ports import Append, Entry
from tests.api_center import SITE, Center, center

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

AT = 1_762_000_000.0


def at(seconds: float) -> str:
    return quote(datetime.fromtimestamp(seconds, UTC).isoformat())


def looked_at(center: Center, recording_id: str, verdict: str, looked: float, reason: str | None = None) -> None:
    """What the check of the files remembers of one recording."""
    seq = center.seqs["recordings"] = center.seqs.get("recordings", 0) + 1
    data = msgspec.json.encode({"recording_id": recording_id, "reason": reason})
    told = Entry("recordings", seq, looked, f"recording.{verdict}", 1, data, SITE.digest, "check")
    center.journal.append(Append([told]))


async def listed(center: Center, query: str, token: str = "supervisor") -> list[Any]:
    """All pages, two items each."""
    items: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        path = f"/v1/recordings?limit=2&{query}" + (f"&cursor={cursor}" if cursor else "")
        status, page = await center.json("GET", path, token)
        assert status == 200, page
        assert len(page["items"]) <= 2
        items += page["items"]
        cursor = page["next_cursor"]
    return items


async def test_pages_of_recordings_meet_without_overlap_or_gap_latest_first(center: Center) -> None:
    made = [center.served_contact(started_at=AT + n // 3) for n in range(7)]
    await center.settled()
    span = f"from={at(AT)}&to={at(AT + 60)}"
    found = await listed(center, span)
    assert len(found) == 7
    assert {one["recording_id"] for one in found} == {f"{contact_id}.r1" for contact_id in made}
    began = [(one["started_at"], one["recording_id"]) for one in found]
    assert began == sorted(began, reverse=True)
    _, whole = await center.json("GET", f"/v1/recordings?{span}")
    assert (whole["items"], whole["next_cursor"]) == (found, None)
    for one in found:
        assert (await center.json("GET", f"/v1/recordings/{one['recording_id']}"))[1] == one, "the same, one by one"


async def test_a_recording_is_found_by_when_it_began_and_by_its_contact(center: Center) -> None:
    contact_id = center.served_contact(started_at=AT + 1000)
    other = center.served_contact(started_at=AT + 1100)
    await center.settled()
    ours, theirs = [f"{contact_id}.r1"], [f"{other}.r1"]

    async def ids(query: str) -> list[str]:
        return [one["recording_id"] for one in await listed(center, query)]

    (one,) = await listed(center, f"contact={contact_id}")
    began = datetime.fromisoformat(one["started_at"]).timestamp()
    assert await ids(f"from={at(began)}&to={at(began + 1)}") == ours, "from is included"
    assert await ids(f"from={at(began - 1)}&to={at(began)}") == [], "to is not"
    assert await ids(f"from={at(AT + 1000)}&to={at(AT + 1200)}") == theirs + ours
    assert await ids(f"contact={contact_id}&from={at(AT + 1100)}") == []


async def test_recordings_are_found_by_what_was_found_last_as_their_files_were_looked_at(center: Center) -> None:
    made = [f"{center.served_contact(started_at=AT + 2000 + n)}.r1" for n in range(4)]
    await center.settled()
    looked_at(center, made[0], "verified", AT + 2100)
    looked_at(center, made[1], "truncated", AT + 2100, "short")
    looked_at(center, made[2], "missing", AT + 2100, "no_file")
    looked_at(center, made[2], "verified", AT + 2105)  # a second look found it
    await center.settled()
    found = {}
    for verdict in ("verified", "truncated", "missing", "none"):
        items = await listed(center, f"verdict={verdict}&from={at(AT + 2000)}&to={at(AT + 2060)}")
        found[verdict] = sorted(one["recording_id"] for one in items)
    assert found == {
        "verified": sorted([made[0], made[2]]),
        "truncated": [made[1]],
        "missing": [],
        "none": [made[3]],
    }
    (short,) = await listed(center, f"verdict=truncated&from={at(AT + 2000)}&to={at(AT + 2060)}")
    assert (short["verdict"], short["verdict_reason"]) == ("truncated", "short")
    assert datetime.fromisoformat(short["verdict_at"]).timestamp() == AT + 2100


async def test_an_agent_sees_the_recordings_of_contacts_they_served_and_no_others(center: Center) -> None:
    mine = center.served_contact(started_at=AT + 3000, agent_id="agent01")
    theirs = center.served_contact(started_at=AT + 3001, agent_id="agent02")
    await center.settled()
    span = f"from={at(AT + 3000)}&to={at(AT + 3060)}"
    for agent, contact_id in (("agent01", mine), ("agent02", theirs)):
        assert [one["contact_id"] for one in await listed(center, span, agent)] == [contact_id]
    assert await listed(center, f"contact={theirs}", "agent01") == []
    assert len(await listed(center, span)) == 2


@pytest.mark.parametrize(
    "query",
    [
        "limit=201",
        "limit=0",
        "colour=red",
        "verdict=perhaps",
        "contact=1%20OR%201=1",
        "contact=%00",
        "from=yesterday",
        "from=2025-01-01T00:00:00",
        "cursor=nonsense",
        "cursor=bmFuIHg=",
        "cursor=MTc2MjAwMDAwMC4wIGEnOy0t",
    ],
)
async def test_what_can_not_be_asked_of_the_list_is_refused(center: Center, query: str) -> None:
    status, problem = await center.json("GET", f"/v1/recordings?{query}")
    assert (status, problem["code"]) == (422, "invalid_request")
