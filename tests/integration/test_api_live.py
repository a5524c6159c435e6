"""The live feed: a snapshot at a position, then every event after it, once, in order; resumed, masked, bounded."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest

from api.app import create_app
from api.routes import live
from api.server import ApiServer
from callcenter.db.tokens import Role
from callcenter.feed.hub import Hub
from callcenter.ports import DeviceSeen, Entry
from tests.api_center import WAIT_S, Center, center
from tests.kit.waiting import until

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

AT = 1_766_000_000.0


@dataclass
class Message:
    """One server-sent event."""

    event: str
    position: int
    data: Any


class Feed:
    """Reads server-sent events from an answer."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> Message:
        """The next event; comments are skipped."""
        fields: dict[str, str] = {}
        async with asyncio.timeout(WAIT_S):
            while True:
                line = (await self.response.content.readline()).decode()
                if not line:
                    raise EOFError
                name, _, value = line.rstrip("\n").partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    return Message(fields["event"], int(fields["id"]), json.loads(fields["data"]))

    async def until(self, position: int) -> list[Message]:
        """Events up to the one at `position`."""
        seen = [await self.next()]
        while seen[-1].position < position:
            seen.append(await self.next())
        return seen


@asynccontextmanager
async def listening(center: Center, who: str = "supervisor", after: int | None = None) -> AsyncIterator[Feed]:
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    timeout = aiohttp.ClientTimeout(total=None)
    async with center.request("GET", "/v1/live", who, headers=headers, timeout=timeout) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        yield Feed(response)


async def test_a_snapshot_comes_first_then_each_event_after_it_once_in_order(center: Center) -> None:
    before = await center.settled()
    async with listening(center) as feed:
        snapshot = await feed.next()
        assert (snapshot.event, snapshot.position) == ("snapshot", before)
        assert {queue["queue"] for queue in snapshot.data["queues"]} == {
            "activities",
            "advice",
            "orders",
            "product",
            "vip",
        }
        contact_id = center.served_contact(started_at=AT)
        events = await feed.until(await center.settled())
    assert [message.data["seq"] for message in events] == list(range(1, 17))
    assert {message.data["stream"] for message in events} == {f"contact/{contact_id}"}
    assert [message.position for message in events] == [message.data["position"] for message in events]
    assert events[0].data["data"]["caller"] == "+886910000001"
    _, story = await center.json("GET", f"/v1/contacts/{contact_id}/events")
    assert [message.data for message in events] == story["items"]


async def test_a_listener_who_comes_back_gets_what_was_missed_and_nothing_twice(center: Center) -> None:
    async with listening(center) as feed:
        await feed.next()
        center.served_contact(started_at=AT + 10)
        end = await center.settled()
        first = [await feed.next() for _ in range(5)]
    async with listening(center, after=first[-1].position) as feed:
        second = await feed.until(end)
    assert [message.data["seq"] for message in first + second] == list(range(1, 17))
    assert all(message.event == "event" for message in first + second)


@pytest.mark.parametrize("after", [1, 10**18])
async def test_a_position_that_is_not_at_hand_gets_a_fresh_snapshot(center: Center, after: int) -> None:
    position = await center.settled()
    async with listening(center, after=after) as feed:
        snapshot = await feed.next()
        assert (snapshot.event, snapshot.position) == ("snapshot", position)


async def test_an_old_snapshot_and_its_events_are_a_fresh_snapshot(center: Center) -> None:
    async with listening(center) as feed:
        old = (await feed.next()).data
        center.floor.device(DeviceSeen("agent01", reachable=True))
        center.floor.log_in("agent01")
        waiting = center.wait_in("product", entered_at=center.backend.clock.now())
        center.floor.choose_presence("agent01", "aux", "lunch")
        center.leave(waiting)
        center.floor.log_in("agent02")
        center.floor.log_out("agent01")
        agents = {agent["agent_id"]: agent for agent in old["agents"]}
        for message in await feed.until(await center.settled()):
            agent = agents[message.data["stream"].removeprefix("agent/")]
            agent.update({name: message.data["data"][name] for name in ("presence", "aux_code", "activity")})
    async with listening(center) as feed:
        fresh = (await feed.next()).data
    states = {name: (one["presence"], one["aux_code"], one["activity"]) for name, one in agents.items()}
    assert states == {a["agent_id"]: (a["presence"], a["aux_code"], a["activity"]) for a in fresh["agents"]}
    center.floor.log_out("agent02")
    await center.settled()


async def test_an_agent_hears_their_own_contacts_whole_and_of_others_bare_facts(center: Center) -> None:
    async with listening(center, "agent01") as feed:
        await feed.next()
        theirs = center.served_contact(started_at=AT + 20, agent_id="agent02")
        own = center.served_contact(started_at=AT + 21, agent_id="agent01")
        await center.settled()
        seen = [(await feed.next()).data for _ in range(2 + 13)]
    foreign = [event for event in seen if event["stream"] == f"contact/{theirs}"]
    assert [event["type"] for event in foreign] == ["queue.entered", "queue.left"]
    assert "+886910000001" not in json.dumps(foreign)
    mine = [event["type"] for event in seen if event["stream"] == f"contact/{own}"]
    assert mine[:2] == ["queue.entered", "offer.made"]
    assert mine[-1] == "contact.ended"


async def test_an_agent_who_comes_back_in_the_middle_of_a_contact_still_hears_it_whole(center: Center) -> None:
    before = await center.settled()
    own = center.served_contact(started_at=AT + 30, agent_id="agent01")
    end = await center.settled()
    async with listening(center, "agent01", after=before + 8) as feed:
        seen = await feed.until(end)
    assert [message.data["seq"] for message in seen] == list(range(9, 17))
    assert {message.data["stream"] for message in seen} == {f"contact/{own}"}


async def test_a_revoked_token_ends_the_feed(center: Center, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "TOKEN_RECHECK_S", 0.05)
    token = await center.backend.tokens.create(Role.SUPERVISOR, "leaving")
    async with listening(center, token) as feed:
        await feed.next()
        [row] = [row for row in await center.backend.tokens.listed() if row.bearer.label == "leaving"]
        await center.backend.tokens.revoke(row.bearer.token_id)
        with pytest.raises(EOFError):
            await feed.next()


async def test_a_feed_left_gives_its_place_back(center: Center) -> None:
    hub = center.backend.hub
    await until(lambda: hub.subscriptions == 0, "earlier listeners are gone")
    async with listening(center) as feed:
        await feed.next()
        assert hub.subscriptions == 1
        feed.response.close()
    await until(lambda: hub.subscriptions == 0, "the place is free again")


@asynccontextmanager
async def other_hub(center: Center, hub: Hub) -> AsyncIterator[tuple[str, dict[str, str], ApiServer]]:
    """The same center with another hub, on another port."""
    server = ApiServer(create_app(replace(center.backend, hub=hub)), "127.0.0.1", 0)
    await server.start()
    try:
        headers = {"Authorization": f"Bearer {center.tokens['supervisor']}"}
        yield f"http://127.0.0.1:{server.port}/v1/live", headers, server
    finally:
        await server.stop()


async def test_too_many_listeners_are_told_so(center: Center) -> None:
    async with (
        other_hub(center, Hub(subscriptions_max=1)) as (url, headers, _),
        center.http.get(url, headers=headers) as first,
        center.http.get(url, headers=headers) as second,
    ):
        assert first.status == 200
        problem = await second.json(content_type=None)
        assert (second.status, problem["code"]) == (429, "too_many_requests")
        assert int(second.headers["Retry-After"]) > 0


async def test_a_listener_who_does_not_read_gets_a_fresh_snapshot_and_memory_stays_bounded(center: Center) -> None:
    hub = Hub(ring_events_max=50)
    padding = json.dumps({"padding": "x" * 20_000}).encode()
    async with other_hub(center, hub) as (url, headers, _), center.http.get(url, headers=headers) as response:
        feed = Feed(response)
        assert (await feed.next()).event == "snapshot"
        # Far more than the sockets' buffers hold; the reader sleeps meanwhile.
        for position in range(1, 3001):
            hub.publish([(position, Entry("site", position, AT, "site.loaded", 1, padding, "site"))])
            if position % 10 == 0:
                await asyncio.sleep(0)
        snapshots = 0
        positions = [0]
        while positions[-1] < 3000:
            message = await feed.next()
            snapshots += message.event == "snapshot"
            positions.append(message.position)
    assert snapshots >= 1
    assert positions == sorted(set(positions))
    assert len(positions) < 3000


async def test_stopping_the_server_ends_the_feeds_at_once(center: Center) -> None:
    async with other_hub(center, Hub()) as (url, headers, server), center.http.get(url, headers=headers) as response:
        feed = Feed(response)
        await feed.next()
        async with asyncio.timeout(2.0):
            await server.stop()
            with pytest.raises(EOFError):
                await feed.next()
