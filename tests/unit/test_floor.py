"""The floor: what contacts, people and queues tell the ACD, what of it is remembered, and who hears of it."""

from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from callcenter.closings import Closing
from callcenter.contact import commands as ask
from callcenter.contact import signals as sig
from callcenter.contact.comfort import Told
from callcenter.errors import UnknownAgent, UnknownQueue
from callcenter.floor import Floor
from callcenter.ports import Append, DeviceSeen
from callcenter.presences import ChosenPresence
from routing import messages as acd
from routing.acd.contacts import Away
from routing.model import AgentProfile, Exit, ExitKind, Presence, QueueRules, SoFar, Step
from routing.requirement import ANYONE, Held

GOODBYE, VOICEMAIL = Exit(ExitKind.GOODBYE), Exit(ExitKind.VOICEMAIL)
SITE = acd.Configured(
    queues=(QueueRules("orders"), QueueRules("slow", steps=(Step(Held("rare")), Step(after_s=1_000.0)))),
    agents=(AgentProfile("agent01", {"en": 3}), AgentProfile("agent02", {"en": 3})),
)


@dataclass
class Memory:
    """A journal that forgets on power-off, a clock that stands until it is set, and the contacts that listen."""

    appended: list[Append] = field(default_factory=list)
    told: list[tuple[str, object]] = field(default_factory=list)
    at: float = 1_000.0

    def now(self) -> float:
        return self.at

    def append(self, item: Append) -> None:
        self.appended.append(item)

    def events(self, prefix: str) -> list[tuple[str, int, str, dict[str, Any]]]:
        """(stream, seq, type, body) of what was appended to these streams."""
        entries = [entry for item in self.appended for entry in item.entries if entry.stream.startswith(prefix)]
        return [(each.stream, each.seq, each.type, msgspec.json.decode(each.data)) for each in entries]

    def state(self, stream: str) -> bytes | None:
        """The last state saved of a stream."""
        saved = [change.state for item in self.appended for change in item.states if change.stream == stream]
        return saved[-1] if saved else None

    def heard(self, kind: type[object]) -> list[tuple[str, object]]:
        """Who was told something of this kind, and what."""
        return [(contact_id, signal) for contact_id, signal in self.told if isinstance(signal, kind)]


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
async def floor(memory: Memory) -> Floor:
    return floor_of(memory)


def floor_of(memory: Memory) -> Floor:
    """A floor on which nobody works yet."""
    floor = Floor(site=SITE, digest="first", clock=memory, journal=memory)
    floor.propose = lambda contact_id, offer: memory.told.append((contact_id, offer))
    floor.inform = lambda contact_id, signal: memory.told.append((contact_id, signal))
    return floor


def enter(contact_id: str, queue: str = "orders") -> ask.EnterQueue:
    return ask.EnterQueue(contact_id, queue, ANYONE, 0, 1_000.0)


def at_work(floor: Floor, *agent_ids: str) -> None:
    """These agents can be offered contacts."""
    for agent_id in agent_ids:
        floor.device(DeviceSeen(agent_id, reachable=True))
        floor.log_in(agent_id)


async def test_an_idle_agent_is_offered_the_contact_and_the_reasons_are_plain_values(
    floor: Floor, memory: Memory
) -> None:
    at_work(floor, "agent01")
    floor.tell(enter("c1"))
    ((contact_id, offer),) = memory.told
    assert isinstance(offer, sig.OfferProposed)
    assert (contact_id, offer.agent_id) == ("c1", "agent01")
    assert offer.trace["why"] == "arrival"
    assert msgspec.json.decode(msgspec.json.encode(offer.trace)) == offer.trace


async def test_who_waits_hears_of_place_and_wait_and_that_no_end_is_in_sight_while_nobody_works(
    floor: Floor, memory: Memory
) -> None:
    floor.tell(enter("c1"))
    floor.tell(enter("c2"))
    assert memory.told == [("c1", sig.Estimated(1, None, None)), ("c2", sig.Estimated(2, None, None))]
    at_work(floor, "agent01")
    floor.tell(enter("c3"))
    (_, forecast) = memory.heard(sig.Estimated)[-1]
    assert isinstance(forecast, sig.Estimated)
    assert forecast.p50_s is not None
    assert forecast.p90_s is not None
    assert 0 < forecast.p50_s <= forecast.p90_s
    assert floor.estimate("c3") is not None
    assert floor.estimate("nobody") is None


async def test_a_queue_that_the_site_does_not_have_fails_whoever_asks_for_it_and_nobody_else(
    floor: Floor, memory: Memory
) -> None:
    with pytest.raises(UnknownQueue, match="oders"):
        floor.tell(enter("c1", "oders"))
    with pytest.raises(UnknownQueue, match="oders"):
        floor.close_queue("oders", "typo", GOODBYE)
    with pytest.raises(UnknownQueue, match="oders"):
        floor.open_queue("oders")
    assert (memory.told, memory.appended) == ([], [])


async def test_a_customer_who_was_not_reached_is_tried_again_later(floor: Floor) -> None:
    an_agent_takes_a_callback(floor)
    floor.tell(ask.TellDialed("c1", acd.DialOutcome.FAILED))
    assert [contact.attempts for contact in floor.snapshot().queues[0].waiting] == [1], "it waits for the next attempt"
    assert floor.snapshot().calling == ()


async def test_a_contact_is_told_to_call_its_customer_and_tells_how_it_went(floor: Floor, memory: Memory) -> None:
    an_agent_takes_a_callback(floor)
    assert memory.heard(sig.CallbackDue) == [("c1", sig.CallbackDue(1))]
    assert [contact.entered.contact_id for contact in floor.snapshot().calling] == ["c1"]
    floor.tell(ask.TellDialed("c1", acd.DialOutcome.ANSWERED))
    assert floor.snapshot().calling == ()
    assert floor.snapshot().queues[0].waiting == ()


async def test_an_earlier_process_attempts_and_pauses_are_kept_and_too_late_is_too_late(
    floor: Floor, memory: Memory
) -> None:
    floor.tell(callback("c1", SoFar(2, expires_at=2_000.0, retry_at=1_100.0)))
    floor.tell(callback("c2", SoFar(1, expires_at=1_000.0)))
    (resting,) = floor.snapshot().queues[0].waiting
    assert (resting.entered.contact_id, resting.attempts, resting.away) == ("c1", 2, Away.RESTING)
    assert memory.heard(sig.CallbackOver) == [("c2", sig.CallbackOver("expired"))]
    at_work(floor, "agent01")
    assert memory.heard(sig.OfferProposed) == []
    memory.at = 1_101.0
    floor._tell(acd.Tick())
    assert [contact_id for contact_id, _ in memory.heard(sig.OfferProposed)] == ["c1"]
    floor.tell(ask.SettleOffer("c1.o1", "accepted"))
    floor.tell(ask.TellDialed("c1", acd.DialOutcome.FAILED))
    assert memory.heard(sig.CallbackOver)[-1] == ("c1", sig.CallbackOver("unreached")), "the third was the last"


async def test_who_calls_again_takes_up_their_callback_with_its_age(floor: Floor, memory: Memory) -> None:
    floor.tell(replace(callback("c1"), customer_id="c0001", entered_at=900.0))
    floor.tell(replace(enter("c2"), customer_id="c0001"))
    assert memory.heard(sig.CallbackOver) == [("c1", sig.CallbackOver("returned", "c2"))]
    (waiting,) = floor.snapshot().queues[0].waiting
    assert (waiting.entered.contact_id, waiting.entered.entered_at) == ("c2", 900.0)


def callback(contact_id: str, so_far: SoFar | None = None) -> ask.EnterQueue:
    """Nobody is on the line any more: the contact waits to be called back."""
    return replace(enter(contact_id), callback=True, clock_s=5.0, so_far=so_far)


def an_agent_takes_a_callback(floor: Floor) -> None:
    """Agent first: the agent has answered, now the customer is to be called."""
    floor.tell(callback("c1"))
    at_work(floor, "agent01")
    floor.tell(ask.SettleOffer("c1.o1", "accepted"))


# --- closed queues ---


async def test_a_closed_queue_sends_newcomers_away_and_those_who_wait_where_they_are_told(
    floor: Floor, memory: Memory
) -> None:
    floor.tell(enter("early"))
    floor.close_queue("orders", "fire alarm", GOODBYE, VOICEMAIL)
    floor.tell(enter("late"))
    assert memory.heard(sig.Diverted) == [
        ("early", sig.Diverted("orders", VOICEMAIL, "fire alarm")),
        ("late", sig.Diverted("orders", GOODBYE, "fire alarm")),
    ]
    assert "late" not in dict(memory.heard(sig.Estimated))
    closed = {"queue": "orders", "reason": "fire alarm", "newcomers_to": "goodbye", "waiting_to": "voicemail"}
    assert memory.events("queue/") == [("queue/orders", 1, "queue.closed", closed)]


async def test_a_queue_is_closed_as_long_as_any_reason_holds(floor: Floor, memory: Memory) -> None:
    floor.close_queue("orders", "fire alarm", GOODBYE)
    floor.close_queue("orders", "hours", VOICEMAIL)
    floor.close_queue("orders", "hours", VOICEMAIL)
    floor.open_queue("orders", "hours")
    floor.tell(enter("c1"))
    assert memory.heard(sig.Diverted) == [("c1", sig.Diverted("orders", GOODBYE, "fire alarm"))]
    floor.open_queue("orders", "fire alarm")
    floor.open_queue("orders", "fire alarm")
    floor.tell(enter("c2"))
    assert [contact_id for contact_id, _ in memory.heard(sig.Estimated)] == ["c2"]
    assert [(seq, type_) for _, seq, type_, _ in memory.events("queue/")] == [
        (1, "queue.closed"),
        (2, "queue.closed"),
        (3, "queue.opened"),
        (4, "queue.opened"),
    ]
    assert memory.state("queue/orders") is None


async def test_who_waited_as_the_queue_closed_may_be_served_to_the_last(floor: Floor, memory: Memory) -> None:
    floor.tell(enter("early"))
    floor.close_queue("orders", "hours", GOODBYE)
    at_work(floor, "agent01")
    assert [contact_id for contact_id, _ in memory.heard(sig.OfferProposed)] == ["early"]


async def test_after_a_restart_what_was_closed_is_closed_and_who_was_at_work_is(floor: Floor, memory: Memory) -> None:
    at_work(floor, "agent01")
    floor.close_queue("orders", "fire alarm", GOODBYE)
    state, presence = memory.state("queue/orders"), memory.state("agent/agent01")
    assert state is not None
    assert presence is not None
    later = Memory()
    after = floor_of(later)
    after.restore(
        seqs={"queue/orders": 1, "agent/agent01": 7},
        presences={"agent01": msgspec.json.decode(presence, type=ChosenPresence)},
        talking={},
        closings={"orders": msgspec.json.decode(state, type=tuple[Closing, ...]), "gone": (Closing("x", GOODBYE),)},
    )
    after.tell(enter("c1"))
    assert later.heard(sig.Diverted) == [("c1", sig.Diverted("orders", GOODBYE, "fire alarm"))]
    after.device(DeviceSeen("agent01", reachable=True))
    ((_, seq, _, body),) = later.events("agent/")
    assert (seq, body["presence"], body["reachable"]) == (8, "available", True)
    after.open_queue("orders")
    assert [(seq, type_) for _, seq, type_, _ in later.events("queue/")] == [(2, "queue.opened")]


# --- the site changes ---


async def test_a_changed_site_holds_for_the_next_decision_and_marks_what_is_remembered(
    floor: Floor, memory: Memory
) -> None:
    floor.close_queue("orders", "fire alarm", GOODBYE)
    with pytest.raises(UnknownAgent):
        floor.log_in("agent03")
    agents = (*SITE.agents, AgentProfile("agent03", {"en": 3}))
    queues = (*SITE.queues, QueueRules("new"))
    floor.reconfigure(acd.Configured(queues, agents), "second")
    at_work(floor, "agent03")
    floor.tell(enter("c1", "new"))
    floor.tell(enter("c2"))
    assert [(c, s.agent_id) for c, s in memory.heard(sig.OfferProposed) if isinstance(s, sig.OfferProposed)] == [
        ("c1", "agent03")
    ]
    assert [contact_id for contact_id, _ in memory.heard(sig.Diverted)] == ["c2"], "the queue is closed as before"
    digests = [entry.site for item in memory.appended for entry in item.entries]
    assert (digests[0], set(digests[1:])) == ("first", {"second"})


async def test_a_step_is_told_as_its_time_comes(floor: Floor, memory: Memory) -> None:
    at_work(floor, "agent01")
    floor.tell(enter("c1", "slow"))
    assert memory.heard(sig.OfferProposed) == []
    memory.at += 1_000.0
    floor._tick()
    assert memory.heard(sig.StepTaken) == [("c1", sig.StepTaken("slow", 1, "time", "anyone"))]
    assert [contact_id for contact_id, _ in memory.heard(sig.OfferProposed)] == ["c1"]


async def test_what_becomes_of_an_agent_is_remembered_whole(floor: Floor, memory: Memory) -> None:
    at_work(floor, "agent01")
    floor.choose_presence("agent01", Presence.AUX, "lunch")
    *_, (stream, seq, type_, body) = memory.events("agent/")
    assert (stream, seq, type_) == ("agent/agent01", 3, "agent.changed")
    assert body == {
        "agent_id": "agent01",
        "presence": "aux",
        "aux_code": "lunch",
        "activity": "idle",
        "since": 1_000.0,
        "contact_id": None,
        "cause": "chosen",
        "requested_next": None,
        "reachable": True,
    }


async def test_what_waiting_contacts_were_told_is_kept_until_they_wait_no_more(floor: Floor, memory: Memory) -> None:
    at_work(floor, "agent01")
    for contact_id in ("c1", "c2", "c3"):
        floor.tell(enter(contact_id))
    prospects = floor.told(10)
    assert {contact_id: promise.told for contact_id, (_, promise) in prospects.items() if promise is not None} == {
        "c2": floor.estimate("c2"),
        "c3": floor.estimate("c3"),
    }
    assert [prospects[contact_id][0].agents for contact_id in ("c1", "c2", "c3")] == [1, 1, 1]
    floor.tell(ask.LeaveQueue("c2"))
    assert floor.promise("c2") is None
    promise = floor.promise("c3")
    assert promise is not None
    assert promise.told is not None
    assert (promise.told.position, promise.rose_because) == (1, None)
    assert len(floor.told(1)) == 1


async def test_an_estimate_rises_when_the_site_changes_and_says_so(floor: Floor, memory: Memory) -> None:
    at_work(floor, "agent01", "agent02")
    for n in range(6):
        floor.tell(enter(f"c{n}"))
    before = floor.promise("c5")
    assert before is not None
    assert before.rose_because is None
    fewer = acd.Configured(SITE.queues, SITE.agents[:1])
    floor.reconfigure(fewer, "second")
    after = floor.promise("c5")
    assert after is not None
    assert after.rose_because in {"overtaken", "fewer_agents", "site_changed"}


async def test_an_agent_who_picked_up_while_nobody_served_talks_and_is_offered_nobody_else(memory: Memory) -> None:
    floor = floor_of(memory)
    floor.restore({}, {"agent01": ChosenPresence(Presence.AVAILABLE, None)}, {}, offered={"c1.o3": "agent01"})
    floor.device(DeviceSeen("agent01", reachable=True))
    floor.tell(ask.SettleOffer("c1.o3", "accepted"))
    floor.tell(enter("c2"))
    assert memory.heard(sig.OfferProposed) == []
    floor.tell(ask.FinishTalk("c1", "agent01", 10.0))
    memory.at += 10.0
    floor._tick()
    assert memory.heard(sig.WrapUpOver) == [("c1", sig.WrapUpOver("agent01"))]
    assert [contact_id for contact_id, _ in memory.heard(sig.OfferProposed)] == ["c2"]


async def test_who_was_promised_a_call_is_taken_into_a_queue_that_has_closed_meanwhile(
    floor: Floor, memory: Memory
) -> None:
    floor.close_queue("orders", "fire alarm", GOODBYE)
    floor.tell(replace(callback("c1", SoFar(0, expires_at=2_000.0)), clock_s=0.0))
    assert memory.heard(sig.Diverted) == []
    assert [each.entered.contact_id for each in floor.snapshot().queues[0].waiting] == ["c1"]


# --- how a contact stands ---


async def test_who_asks_how_they_stand_is_answered_at_once_and_who_does_not_wait_as_well(
    floor: Floor, memory: Memory
) -> None:
    at_work(floor, "agent01")
    for contact_id in ("c1", "c2", "c3"):
        floor.tell(enter(contact_id))
    memory.told.clear()
    floor.tell(ask.TellWait("c3"))
    floor.tell(ask.TellWait("nobody"))
    ((contact_id, heard), nothing) = memory.told
    assert (contact_id, nothing) == ("c3", ("nobody", sig.WaitTold(None)))
    assert isinstance(heard, sig.WaitTold)
    assert heard.told is not None
    assert heard.told.position == 2
    assert heard.because is None


async def test_what_a_caller_was_told_by_the_service_before_does_not_rise(floor: Floor, memory: Memory) -> None:
    at_work(floor, "agent01")
    floor.tell(enter("c1"))
    floor.tell(enter("c2"))
    floor.tell(replace(enter("c3"), told=Told(2, 1.0, 2.0)))
    floor.tell(ask.TellWait("c3"))
    assert memory.told[-1] == ("c3", sig.WaitTold(Told(2, 1.0, 2.0)))
    floor.tell(ask.LeaveQueue("c3"))
    floor.tell(enter("c3"))
    floor.tell(ask.TellWait("c3"))
    (_, heard) = memory.told[-1]
    assert isinstance(heard, sig.WaitTold)
    assert heard.told is not None
    assert heard.told.p50_s is not None
    assert heard.told.p50_s > 1.0


# --- what estimates rest on -------------------------------------------------------------------------------------------


def served(floor: Floor, memory: Memory, contact_id: str, handle_s: float) -> None:
    """agent01 talks with this contact for so long."""
    floor.tell(ask.EnterQueue(contact_id, "orders", ANYONE, 0, memory.at))
    floor.tell(ask.SettleOffer(f"{contact_id}.o1", "accepted"))
    memory.at += handle_s
    floor.tell(ask.FinishTalk(contact_id, "agent01", 0.0))


def kept(memory: Memory) -> dict[str, bytes]:
    """What the journal still holds after a kill."""
    streams = {change.stream for item in memory.appended for change in item.states}
    return {stream: state for stream in streams if (state := memory.state(stream)) is not None}


async def test_after_a_kill_waits_are_told_as_if_there_had_been_none(floor: Floor, memory: Memory) -> None:
    floor.restore({}, {}, {})
    at_work(floor, "agent01")
    for n in range(20):
        served(floor, memory, f"c{n}", 40.0)
    again = floor_of(memory)
    again.restore({}, {}, {}, states=kept(memory))
    for each in (floor, again, fresh := floor_of(memory)):
        at_work(each, "agent01")
        each.tell(ask.EnterQueue("d1", "orders", ANYONE, 0, memory.at))
        each.tell(ask.SettleOffer("d1.o1", "accepted"))
        each.tell(ask.EnterQueue("d2", "orders", ANYONE, 0, memory.at))
    p50_s = [estimate.p50_s for each in (floor, again, fresh) if (estimate := each.estimate("d2")) is not None]
    assert p50_s[1] == pytest.approx(p50_s[0], rel=0.1), "but for what was learned in the last minute"
    assert p50_s[2] > 2 * p50_s[0], "who begins anew thinks of three minutes a talk"


async def test_what_was_learned_is_saved_once_a_minute_and_only_if_there_is_something_new(
    floor: Floor, memory: Memory
) -> None:
    floor.restore({}, {}, {})
    at_work(floor, "agent01")
    served(floor, memory, "c1", 70.0)
    first = len([item for item in memory.appended for change in item.states if change.stream == "learned/orders"])
    assert first == 1
    for _ in range(200):
        memory.at += 1.0
        floor.log_in("agent02")
    saved = [item for item in memory.appended for change in item.states if change.stream.startswith("learned/")]
    assert len(saved) == 1


async def test_what_another_version_learned_is_begun_anew(floor: Floor, memory: Memory) -> None:
    floor.restore({}, {}, {}, states={"learned/orders": b'["orders", {"handling": 7}]', "learned/gone": b"\xff"})
    at_work(floor, "agent01")
    floor.tell(enter("c1"))
    assert len(memory.told) == 1


async def test_a_talk_taken_up_counts_as_begun_with_the_restart(floor: Floor, memory: Memory) -> None:
    """Else it would be thought to have lasted since 1970, and nobody to be served for years."""
    memory.at = 1_700_000_000.0
    presence = ChosenPresence(Presence.AVAILABLE, None)
    floor.restore({}, {"agent01": presence}, {"agent01": "c1"})
    floor.device(DeviceSeen("agent01", reachable=True))
    memory.at += 5.0
    floor.tell(ask.EnterQueue("c2", "orders", ANYONE, 0, memory.at))
    estimate = floor.estimate("c2")
    assert estimate is not None
    assert estimate.mean_s < 600.0
