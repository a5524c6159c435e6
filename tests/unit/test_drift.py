"""What a look beside the running service believes: only what it finds twice and nothing under way explains."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence

import pytest

from callcenter import drift
from callcenter.asterisk.sayings import Sayings
from callcenter.asterisk.unheeded import KEPT_MAX, Unheeded
from callcenter.clock import AnchoredClock
from callcenter.contact import commands as ask
from callcenter.contact import signals as sig
from callcenter.contact.model import Contact
from callcenter.drift import Drift
from callcenter.ports import CallerAtTheDoor, ChannelEnded, ChannelSeen
from callcenter.reconcile import compare
from tests.contacts import CALLER, ID, OFFER, TALKING, after

SEEN = ChannelSeen(CALLER, ID, "caller", in_stasis=True, up=True, dialed="0800000200", caller="0910000001")


class Asterisk:
    """One that shows the channels of each look in turn, the last of them for ever."""

    def __init__(self, *looks: Sequence[ChannelSeen]) -> None:
        self.looks = list(looks)
        self.syncs, self.in_sync = 1, True
        self.busy: set[str] = set()
        self.ended: dict[str, ChannelEnded] = {}
        self.cleared: list[str] = []

    async def survey(self) -> Sequence[ChannelSeen]:
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    async def bridges(self) -> Sequence[str]:
        return []

    async def how_ended(self, there_at: Mapping[str, float], since: float) -> Mapping[str, ChannelEnded]:
        await asyncio.sleep(0)
        return {channel_id: self.ended[channel_id] for channel_id in there_at if channel_id in self.ended}

    def soon_told(self) -> Collection[str]:
        return ()

    def under_way(self, resource_id: str) -> bool:
        return resource_id in self.busy

    async def silent(self, older_than_s: float) -> Sequence[str]:
        return []

    def tell_ended(self, playbacks: Iterable[str]) -> int:
        return len(list(playbacks))

    def ask_again(self) -> Collection[str]:
        return ()

    async def relearn_phones(self, *, news_only: bool) -> int:
        assert news_only
        return 0

    def clear(self, legs: Iterable[str], bridges: Iterable[str]) -> None:
        self.cleared += [*legs, *bridges]


class Switchboard:
    """Live contacts, and what they were told."""

    def __init__(self, *contacts: Contact) -> None:
        self.contacts = list(contacts)
        self.told: list[tuple[str, sig.Signal]] = []
        self.told_at: list[float | None] = []
        self.arrivals: list[str] = []

    def signal(self, resource_id: str, signal: sig.Signal, at: float | None = None) -> None:
        self.told.append((resource_id, signal))
        self.told_at.append(at)

    def resume(self, contact_id: str) -> None:
        raise AssertionError("nobody of an earlier process is left")

    def arrived(self, caller: CallerAtTheDoor) -> None:
        self.arrivals.append(caller.channel_id)


async def looked(asterisk: Asterisk, switchboard: Switchboard) -> int:
    async def on_disk() -> None:
        await asyncio.sleep(0)

    return await Drift(asterisk, switchboard, AnchoredClock(), lambda _: None, on_disk).look()


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "GRACE_S", 0.0)


async def test_who_is_gone_in_both_looks_has_left() -> None:
    switchboard = Switchboard(after())
    assert await looked(Asterisk([]), switchboard) == 1
    assert switchboard.told == [(ID, sig.CallerLeft("unknown"))]


async def test_when_they_left_is_told_as_asterisk_tells_it() -> None:
    asterisk, switchboard = Asterisk([]), Switchboard(after())
    asterisk.ended = {CALLER: ChannelEnded(5.0, "caller", 16)}
    assert await looked(asterisk, switchboard) == 1
    assert (switchboard.told, switchboard.told_at) == ([(ID, sig.CallerLeft("caller", 16))], [5.0])


async def test_who_is_there_again_at_the_second_look_was_merely_on_the_way() -> None:
    switchboard = Switchboard(after())
    assert await looked(Asterisk([], [SEEN]), switchboard) == 0
    assert switchboard.told == []


async def test_what_a_command_is_about_is_left_alone_until_it_is_answered() -> None:
    asterisk, switchboard = Asterisk([]), Switchboard(after())
    asterisk.busy = {CALLER}
    assert await looked(asterisk, switchboard) == 0


async def test_a_connection_made_meanwhile_has_made_up_for_everything() -> None:
    class Reconnected(Asterisk):
        async def bridges(self) -> Sequence[str]:
            self.syncs += 1
            return []

    assert await looked(Reconnected([]), Switchboard(after())) == 0


async def test_a_caller_whom_nobody_serves_is_served() -> None:
    switchboard = Switchboard()
    assert await looked(Asterisk([SEEN]), switchboard) == 1
    assert switchboard.arrivals == [CALLER]


def test_an_end_that_an_event_is_about_to_tell_is_left_to_the_event() -> None:
    talking = after(*TALKING)
    found = compare([talking], [], [f"{ID}.b1"], ending={CALLER, OFFER})
    assert found.count == 0
    assert compare([talking], [], [f"{ID}.b1"], ending={CALLER}).lost == [(ID, sig.AgentLegEnded(OFFER))]


# --- commands that failed ---


def test_what_failed_and_nobody_else_asks_again_is_asked_again_once() -> None:
    unheeded = Unheeded()
    for command in (ask.StartMusic(CALLER, "default"), ask.HangUp(OFFER), ask.Join("b", (CALLER, OFFER))):
        unheeded.asked(command)
        unheeded.failed(command)
    again = unheeded.take()
    assert again == [ask.StartMusic(CALLER, "default"), ask.HangUp(OFFER)], "a join's failure is the contact's affair"
    assert unheeded.leaving(again) == {OFFER}
    assert unheeded.take() == []


def test_what_was_asked_since_takes_the_place_of_what_failed() -> None:
    unheeded = Unheeded()
    unheeded.failed(ask.StartMusic(CALLER, "default"))
    unheeded.asked(ask.StopMusic(CALLER))
    assert unheeded.take() == []
    unheeded.failed(ask.SendToFallback(CALLER))
    unheeded.asked(ask.TakeCall(CALLER, ID))
    assert unheeded.take() == [], "they went in spite of the missing answer, and are back"


def test_no_more_is_kept_than_helps() -> None:
    unheeded = Unheeded()
    for number in range(KEPT_MAX + 10):
        unheeded.failed(ask.HangUp(f"{ID}.o{number}"))
    assert len(unheeded.take()) == KEPT_MAX


# --- prompts ---


async def test_only_prompts_that_were_taken_long_ago_and_play_no_more_are_silent() -> None:
    now = 100.0
    sayings = Sayings(lambda: now)
    for name in ("ended", "plays", "heard", "refused", "young"):
        sayings.asked(name)
    for name in ("ended", "plays", "heard"):
        sayings.taken(name)
    assert sayings.over("heard")
    now = 105.0
    sayings.taken("young")

    async def plays(playback_id: str) -> bool:
        return playback_id == "plays"

    assert await sayings.silent(plays, 3.0) == ["ended"]
    assert not sayings.over("heard")
