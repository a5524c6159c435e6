"""The hub: committed events to many listeners, bounded, in order."""

import asyncio
from collections.abc import Sequence

import pytest

from callcenter.feed.hub import (
    BATCH_EVENTS_MAX,
    RESYNC,
    Committed,
    FeedClosed,
    FeedFull,
    Hub,
    Subscription,
)
from callcenter.ports import Entry


def events(*positions: int) -> list[tuple[int, Entry]]:
    return [(p, Entry(f"contact/{p}", 1, float(p), "contact.started", 1, b"{}", "site")) for p in positions]


def positions(taken: object) -> list[int]:
    assert isinstance(taken, Sequence)
    return [event.position for event in taken]


async def take_all(subscription: Subscription) -> list[int]:
    seen: list[int] = []
    while batch := await subscription.take(timeout_s=0.0):
        seen += positions(batch)
    return seen


async def test_a_listener_gets_every_event_after_it_joined_in_order() -> None:
    hub = Hub(position=10)
    hub.publish(events(11))
    listener = hub.subscribe(None)
    hub.publish(events(12, 13))
    hub.publish(events(17))
    assert await take_all(listener) == [12, 13, 17]
    assert hub.position == 17


async def test_a_listener_who_waits_is_woken_by_the_next_event() -> None:
    hub = Hub()
    listener = hub.subscribe(None)
    waiting = asyncio.create_task(listener.take(timeout_s=5.0))
    await asyncio.sleep(0)
    hub.publish(events(1))
    assert positions(await asyncio.wait_for(waiting, 1.0)) == [1]


async def test_silence_ends_a_take_with_nothing() -> None:
    assert await Hub().subscribe(None).take(timeout_s=0.01) == ()


@pytest.mark.parametrize("after", [10, 11, 12, 15, 16, 17])
async def test_a_resume_continues_exactly_after_the_position_though_positions_have_gaps(after: int) -> None:
    hub = Hub(position=10)
    hub.publish(events(11, 12, 16, 17))
    listener = hub.subscribe(after)
    hub.publish(events(20))
    assert await take_all(listener) == [p for p in (11, 12, 16, 17, 20) if p > after]


@pytest.mark.parametrize("after", [9, 0, 18, 10**18])
async def test_a_resume_from_a_place_the_ring_does_not_hold_says_resync_once_then_goes_on(after: int) -> None:
    hub = Hub(position=10)
    hub.publish(events(11, 17))
    listener = hub.subscribe(after)
    assert await listener.take(timeout_s=1.0) is RESYNC
    hub.publish(events(18))
    assert await take_all(listener) == [18]


async def test_a_slow_listener_gets_resync_and_the_others_lose_nothing() -> None:
    hub = Hub(ring_events_max=5)
    slow, quick = hub.subscribe(None), hub.subscribe(None)
    seen: list[int] = []
    for start in range(1, 21, 4):
        hub.publish(events(*range(start, start + 4)))
        seen += await take_all(quick)
    assert seen == list(range(1, 21))
    assert await slow.take(timeout_s=1.0) is RESYNC
    hub.publish(events(21))
    assert await take_all(slow) == [21]


async def test_the_ring_forgets_the_oldest_and_a_resume_knows_it() -> None:
    hub = Hub(ring_events_max=3)
    hub.publish(events(1, 2, 3, 4, 5))
    assert await take_all(hub.subscribe(2)) == [3, 4, 5]
    assert await hub.subscribe(1).take(timeout_s=1.0) is RESYNC
    assert [event.position for event in hub.subscribe(4).past()] == [3, 4]


async def test_a_batch_is_bounded() -> None:
    hub = Hub()
    listener = hub.subscribe(None)
    hub.publish(events(*range(1, BATCH_EVENTS_MAX + 2)))
    assert len(positions(await listener.take(timeout_s=0.0))) == BATCH_EVENTS_MAX
    assert positions(await listener.take(timeout_s=0.0)) == [BATCH_EVENTS_MAX + 1]


async def test_listeners_are_bounded_and_a_place_left_is_free_again() -> None:
    hub = Hub(subscriptions_max=1)
    with hub.subscribe(None):
        with pytest.raises(FeedFull):
            hub.subscribe(None)
        assert hub.subscriptions == 1
    assert hub.subscriptions == 0
    hub.subscribe(None)


async def test_closing_the_hub_ends_waiting_listeners_and_refuses_new_ones() -> None:
    hub = Hub()
    listener = hub.subscribe(None)
    waiting = asyncio.create_task(listener.take(timeout_s=5.0))
    await asyncio.sleep(0)
    hub.close()
    with pytest.raises(FeedClosed):
        await asyncio.wait_for(waiting, 1.0)
    with pytest.raises(FeedClosed):
        hub.subscribe(None)


def test_a_position_that_goes_back_is_a_bug() -> None:
    hub = Hub(position=5)
    with pytest.raises(AssertionError):
        hub.publish(events(5))


def test_an_event_keeps_its_entry() -> None:
    hub = Hub()
    [(position, entry)] = events(3)
    hub.publish([(position, entry)])
    assert list(hub.subscribe(3).past()) == [Committed(3, entry)]
