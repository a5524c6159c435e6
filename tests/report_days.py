"""Days for the tests of reports: contacts of every fate, agents of every state; and their recount from raw events."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from callcenter.contact import events as ev
from callcenter.ports import Entry
from routing.facts import AgentState, Offer, Record, Visit
from tests.database import agent_changed, contact_id, entry, fetch

QUEUES, TIERS, AGENTS = ("orders", "product", "vip"), ("platinum", "basic"), ("agent01", "agent02", "agent03")
MISSED = ("rejected", "no_answer", "busy", "unreachable", "rescinded", "failed")


@dataclass
class Story:
    """A contact being lived: `at` moves on, in whole milliseconds; `entries` are what is remembered of it."""

    n: int
    at: float
    dice: random.Random
    entries: list[Entry] = field(default_factory=list)
    offers: int = 0

    def __post_init__(self) -> None:
        self.id = contact_id(self.n, self.at)

    def tell(self, body: ev.Body) -> None:
        self.entries.append(entry(f"contact/{self.id}", len(self.entries) + 1, body, self.at))

    def pass_(self, most_s: float) -> float:
        passed_s = self.dice.randint(0, round(most_s * 1000)) / 1000
        self.at = round(self.at + passed_s, 3)
        return passed_s

    def offer(self, queue: str, *outcomes: str) -> str:
        """Ring as many phones as there are outcomes, one beginning after the other; they settle together."""
        made = []
        for agent_id in self.dice.sample(AGENTS, len(outcomes)):
            self.offers += 1
            made.append((f"{self.id}.o{self.offers}", agent_id, self.at))
            self.tell(ev.OfferMade(*made[-1][:2], queue, self.at + 20.0, {}, {}))
            self.pass_(3.0)
        for (offer_id, agent_id, made_at), outcome in zip(made, outcomes, strict=True):
            self.tell(ev.OfferSettled(offer_id, agent_id, outcome, self.at - made_at))
        return made[0][1]


def story(n: int, at: float, dice: random.Random) -> list[Entry]:
    """One contact, by lot: through one queue or two, and out in any way there is, or still in it."""
    one = Story(n, at, dice)
    tier, language = dice.choice(TIERS), dice.choice(("en", "zh-TW"))
    dialed = dice.choice(("0800000100", "0800000200"))
    one.tell(ev.ContactStarted("inbound", "voice", "ch", None, "", dialed, None, tier, language))
    one.pass_(30.0)
    end = "abandoned_queue"
    for queue in dice.sample(QUEUES, dice.choice((0, 1, 1, 1, 2))):
        one.tell(ev.QueueEntered(queue, {language: 1, queue: 1}, tier, None))
        entered_at = one.at
        on_the_dot_s = dice.choice((None, None, None, 5.0, 20.0))  # a threshold to the microsecond, or any wait
        if on_the_dot_s is not None:
            one.at += on_the_dot_s
        else:
            one.pass_(dice.choice((3.0, 60.0, 4000.0)))
        if on_the_dot_s is None and dice.random() < 0.3:
            one.offer(queue, dice.choice(MISSED))
            one.pass_(20.0)
        fate = dice.choice(("answered", "answered", "answered", "abandoned", "diverted", "callback", "fallback", "lost",
                            "waiting"))  # fmt: skip
        agent_id = ""
        if fate == "answered":
            agent_id = one.offer(queue, "accepted", *["rescinded"] * dice.choice((0, 0, 2)))
        elif fate == "abandoned" and dice.random() < 0.5:
            one.offer(queue, "caller_gone")
        if fate == "waiting":
            return one.entries
        if fate == "lost":  # a failure closes the books without a word about the queue
            end = "failed"
            break
        one.tell(ev.QueueLeft(queue, fate, one.at - entered_at))
        if fate != "diverted":
            end = "agent" if fate == "answered" else end
            if fate == "callback" and dice.random() < 0.7:  # called back, and perhaps reached
                one.tell(ev.CallbackWaiting(queue))
                one.pass_(600.0)
                agent_id = one.offer(queue, "accepted")
                one.tell(ev.CallbackDialed(1, f"{one.id}.c1", "+886912345678", "0800000100", agent_id))
                one.pass_(20.0)
                if dice.random() < 0.7:
                    one.tell(ev.CallbackAnswered(1, f"{one.id}.c1", 600.0))
                    fate = end = "agent"
                else:
                    one.tell(ev.CallbackFailed(1, f"{one.id}.c1", "no_answer"))
                    one.tell(ev.CallbackOver("unreached"))
                    end = "callback_failed"
            if fate in {"answered", "agent"} and not _talk(one, agent_id):
                return one.entries
            break
    one.tell(ev.CallerGone("caller", end, 16))
    one.tell(ev.ContactEnded(end, "caller", 0.0, 0.0, 0.0, 0.0, len(one.entries) + 1))
    return one.entries


def _talk(one: Story, agent_id: str) -> bool:
    """Talk, hold, wrap-up; False if it goes on at the end of the story."""
    one.tell(ev.TalkStarted(agent_id, f"{one.id}.o{one.offers}", f"{one.id}.b1"))
    talk_s, hold_s = one.pass_(300.0), 0.0
    for _ in range(one.dice.choice((0, 0, 1, 2))):
        one.tell(ev.HoldStarted(agent_id))
        hold_s += (held_s := one.pass_(40.0))
        one.tell(ev.HoldEnded(agent_id, held_s))
        talk_s += one.pass_(60.0)
    if one.dice.random() < 0.1:
        return False
    one.tell(ev.TalkEnded(agent_id, talk_s, hold_s))
    one.tell(ev.WrapUpStarted(agent_id, 15.0))
    wrap_up_s = one.pass_(30.0)
    if one.dice.random() < 0.1:
        return False
    one.tell(ev.WrapUpEnded(agent_id, wrap_up_s))
    return True


def shift(agent_id: str, start: float, end: float, dice: random.Random) -> Iterator[Entry]:
    """An agent's changes of state from `start` to `end`; the last goes on."""
    at, seq = start, 0
    while at < end:
        seq += 1
        presence = dice.choice(("available", "available", "available", "aux", "logged_out"))
        activity = dice.choice(("idle", "reserved", "talking", "wrap_up"))
        contact = None if activity == "idle" else contact_id(dice.randint(1, 99), start)
        yield agent_changed(agent_id, seq, at, presence, activity, contact)
        at = round(at + dice.randint(1, 5_400_000) / 1000, 3)


@dataclass
class _Books:
    """What the raw events of one contact add up to, by a way of counting that knows nothing of projections."""

    answer_in_s: Mapping[str, float]
    started: Mapping[str, Any] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)
    offers: list[tuple[int, str, float, float, str]] = field(default_factory=list)
    open_offers: dict[str, tuple[str, float]] = field(default_factory=dict)
    talk_at: float = 0.0
    wrap_up_at: float = 0.0

    def change(self, **changes: Any) -> None:
        self.visits[-1] = replace(self.visits[-1], **changes)

    def take(self, contact: str, at: float, kind: str, data: Mapping[str, Any]) -> None:
        match kind:
            case "contact.started":
                self.started = data
            case "queue.entered":
                of = {name: self.started[name] for name in ("value_tier", "dialed", "language")}
                limit_s = self.answer_in_s.get(data["queue"], 20.0)
                entered = Visit(contact, data["queue"], at, **of, skills=tuple(data["needs"]), answer_in_s=limit_s)
                self.visits.append(entered)
            case "offer.made":
                self.open_offers[data["offer_id"]] = (data["agent_id"], at)
            case "offer.settled":
                agent_id, made_at = self.open_offers.pop(data["offer_id"])
                self.offers.append((len(self.visits) - 1, agent_id, made_at, at, data["outcome"]))
            case "queue.left":
                self.change(outcome=data["outcome"], left_at=at, wait_s=data["wait_s"])
            case "talk.started":
                self.change(agent_id=data["agent_id"])
            case "talk.ended":
                self.change(talk_s=data["talk_s"], hold_s=data["hold_s"], done_at=at)
            case "wrap_up.started":
                self.change(done_at=None)
            case "wrap_up.ended":
                self.change(wrap_up_s=data["wrap_up_s"], done_at=at)
            case "contact.ended" if self.visits and self.visits[-1].outcome is None:
                visit = self.visits[-1]
                self.change(outcome=data["end_state"], left_at=at, wait_s=at - visit.entered_at)

    def records(self) -> Iterator[Record]:
        for i, visit in enumerate(self.visits):
            rang = sorted((made_at, settled_at) for n, _, made_at, settled_at, _ in self.offers if n == i)
            ring_s, until = 0.0, 0.0
            for made_at, settled_at in rang:
                ring_s += max(0.0, settled_at - max(made_at, until))
                until = max(until, settled_at)
            yield (whole := replace(visit, ring_s=ring_s))
            for n, agent_id, made_at, settled_at, outcome in self.offers:
                if n == i:
                    yield Offer(whole, agent_id, made_at, settled_at, outcome)


RAW = """SELECT contact_id::text AS id, extract(epoch FROM at)::float8 AS at, type, data::text
    FROM contact_event ORDER BY contact_id, seq"""
RAW_AGENTS = """SELECT stream, extract(epoch FROM at)::float8 AS at, data::text FROM floor_event
    WHERE stream LIKE 'agent/%' ORDER BY stream, seq"""


async def recount(url: str, now: float, answer_in_s: Mapping[str, float]) -> Sequence[Record]:
    """Every visit, offer and agent's state, from the stored events alone; what goes on is counted until `now`."""
    books: dict[str, _Books] = {}
    for row in await fetch(url, RAW):
        books.setdefault(row["id"], _Books(answer_in_s)).take(
            row["id"], row["at"], row["type"], json.loads(row["data"])
        )
    records = [record for one in books.values() for record in one.records()]
    changes = [(row["stream"], row["at"], json.loads(row["data"])) for row in await fetch(url, RAW_AGENTS)]
    for (stream, at, data), after in zip(changes, [*changes[1:], ("", now, {})], strict=True):
        until = after[1] if after[0] == stream else now
        if at < until:
            agent_id = stream.removeprefix("agent/")
            records.append(AgentState(agent_id, data["presence"], data["activity"], at, until, data["contact_id"]))
    return records
