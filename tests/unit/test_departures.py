"""A restart of ours costs nobody who may come back their age: it is in the journal for as long as it is good."""

from dataclasses import replace

import pytest

from callcenter.contact import commands as ask
from callcenter.departures import PREFIX
from callcenter.floor import Floor
from routing.acd.snapshot import ContactView
from tests.unit.test_floor import SITE, Memory, at_work, enter, floor_of

KEPT_S = SITE.comeback_s


def kept(memory: Memory) -> dict[str, bytes]:
    """What the journal keeps of departed customers."""
    states: dict[str, bytes] = {}
    for item in memory.appended:
        for change in item.states:
            states.pop(change.stream, None)
            if change.state is not None:
                states[change.stream] = change.state
    return {stream: state for stream, state in states.items() if stream.startswith(PREFIX)}


def calls(contact_id: str, at: float, customer_id: str | None = "kim") -> ask.EnterQueue:
    return replace(enter(contact_id), entered_at=at, customer_id=customer_id)


def gives_up(floor: Floor, memory: Memory, customer_id: str | None = "kim") -> None:
    """Entered at 1,000, hung up at 1,100."""
    floor.tell(calls("c1", 1_000.0, customer_id))
    memory.at = 1_100.0
    floor.tell(ask.LeaveQueue("c1"))


def restarted(memory: Memory) -> Floor:
    after = floor_of(memory)
    after.restore({}, {}, {}, states=kept(memory))
    return after


def waiting(floor: Floor, contact_id: str) -> ContactView:
    (found,) = [view for view in floor.snapshot().queues[0].waiting if view.entered.contact_id == contact_id]
    return found


async def test_who_gave_up_before_a_restart_comes_back_to_their_age() -> None:
    memory = Memory()
    gives_up(floor_of(memory), memory)
    after = restarted(memory)
    memory.at = 1_200.0
    after.tell(calls("c2", 1_200.0))
    assert (waiting(after, "c2").entered.entered_at, waiting(after, "c2").comeback) == (1_000.0, True)


async def test_who_was_cut_off_before_a_restart_comes_back_to_their_agent() -> None:
    memory = Memory()
    floor = floor_of(memory)
    at_work(floor, "agent01")
    floor.tell(calls("c1", 1_000.0))
    floor.tell(ask.SettleOffer("c1.o1", "accepted"))
    floor.tell(ask.FinishTalk("c1", "agent01", 0.0, dropped=True))
    after = restarted(memory)
    after.tell(calls("c2", 1_200.0))
    entered = waiting(after, "c2").entered
    assert (entered.entered_at, entered.preferred_agent) == (1_000.0, "agent01")


async def test_a_restart_while_they_wait_again_does_not_take_the_age_away() -> None:
    memory = Memory()
    floor = floor_of(memory)
    gives_up(floor, memory)
    floor.tell(calls("c2", 1_200.0))
    assert list(kept(memory)) == [f"{PREFIX}kim"]
    after = restarted(memory)
    after.tell(calls("c2", 1_200.0))  # its session enters anew
    assert waiting(after, "c2").entered.entered_at == 1_000.0


@pytest.mark.parametrize("how", ["accepted", "accepted after a restart"])
async def test_who_was_served_has_nothing_to_come_back_to(how: str) -> None:
    memory = Memory()
    floor = floor_of(memory)
    gives_up(floor, memory)
    at_work(floor, "agent01")
    if how == "accepted after a restart":
        floor = restarted(memory)
        at_work(floor, "agent01")
    floor.tell(calls("c2", 1_200.0))
    floor.tell(ask.SettleOffer("c2.o1", "accepted"))
    assert kept(memory) == {}
    after = restarted(memory)
    after.tell(calls("c3", 1_300.0))
    assert (waiting(after, "c3").entered.entered_at, waiting(after, "c3").comeback) == (1_300.0, False)


async def test_who_gives_up_again_keeps_the_age_they_had_regained() -> None:
    memory = Memory()
    floor = floor_of(memory)
    gives_up(floor, memory)
    floor.tell(calls("c2", 1_200.0))
    memory.at = 1_300.0
    floor.tell(ask.LeaveQueue("c2"))
    after = restarted(memory)
    after.tell(calls("c3", 1_400.0))
    assert waiting(after, "c3").entered.entered_at == 1_000.0


async def test_after_the_time_is_up_the_age_is_gone_and_so_is_what_the_journal_kept() -> None:
    memory = Memory()
    gives_up(floor_of(memory), memory)
    memory.at = 1_100.0 + KEPT_S + 1.0
    after = restarted(memory)
    assert kept(memory) == {}
    after.tell(calls("c2", memory.at))
    assert waiting(after, "c2").entered.entered_at == memory.at


async def test_the_journal_forgets_them_without_a_restart_too() -> None:
    memory = Memory()
    floor = floor_of(memory)
    gives_up(floor, memory)
    memory.at = 1_100.0 + KEPT_S + 1.0
    floor.tell(calls("c2", memory.at, "lee"))
    assert kept(memory) == {}


async def test_a_caller_whom_nobody_knows_leaves_nothing_behind() -> None:
    memory = Memory()
    gives_up(floor_of(memory), memory, customer_id=None)
    assert kept(memory) == {}


async def test_a_state_of_another_version_is_forgotten_and_the_others_are_not() -> None:
    memory = Memory()
    gives_up(floor_of(memory), memory)
    states = {**kept(memory), f"{PREFIX}lee": b'{"who":1}', "agent/agent01": b"{}"}
    after = floor_of(memory)
    after.restore({}, {}, {}, states=states)
    assert [each.customer_id for each in after.snapshot().departed] == ["kim"]
    assert memory.state(f"{PREFIX}lee") is None
