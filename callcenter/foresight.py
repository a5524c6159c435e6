"""What would become of a caller, without a call: the production code, asked and not obeyed.

The customer is looked up as a caller would be, the flow is walked by its interpreter, the contact machine lets the
site's rules decide and asks the floor to take the contact in; the floor explains instead of doing it. Nothing is
recorded, nobody is rung.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from callcenter.blueprint import contact_plan
from callcenter.closings import Closing
from callcenter.config.site import Hotline, Site
from callcenter.contact import commands as ask
from callcenter.contact import events as ev
from callcenter.contact.draft import Draft
from callcenter.contact.ivr_steps import facts_of
from callcenter.contact.machine import newcomer
from callcenter.contact.model import Contact
from callcenter.contact.plan import Plan
from callcenter.contact.queue_steps import enter_queue
from callcenter.contact.signals import Arrival, CustomerCard
from callcenter.hours import REASON as HOURS
from ivr.calendar import is_open
from ivr.reach import Way, ways
from ivr.turn import ToQueue
from routing.acd.explain import Explanation
from routing.acd.ladder import Ladder
from routing.admission import Admission, admit
from routing.requirement import Requirement, both

NOBODY = "00000000-0000-0000-0000-000000000000"
"""The id of a contact that does not exist."""


class Floor(Protocol):
    """What is asked of the floor."""

    def explain_entry(self, command: ask.EnterQueue) -> tuple[Explanation, Ladder]:
        """What would happen if this contact entered now, and its reach as it waits on."""

    def closings(self, queue: str) -> Sequence[Closing]:
        """Why this queue is closed."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who would call, and what of it is given. `queue` None: every queue that the number leads to.

    `at` is the instant for which opening hours are looked up; who waits and works is as of now.
    """

    dialed: str
    at: float
    customer: CustomerCard | None = None
    phone: str | None = None
    queue: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """What would follow in one queue.

    `keys` lead there through the flow (None: no flow leads there), `entered` is the queue that flow or hotline name,
    `entering` what the floor would be asked once the rules have decided. `decided` is None for a site without rules.
    `requires` is the whole requirement. `closed` tells why the queue is closed at the caller's instant.
    """

    keys: str | None
    entered: str
    language: str
    value_tier: str
    entering: ask.EnterQueue
    decided: ev.RoutingDecided | None
    requires: Requirement
    closed: tuple[Closing, ...]
    ladder: Ladder
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class Foresight:
    """The whole answer. `admission` None: the site sets no limit to its trunks. `ways` are those through the flow."""

    hotline: Hotline
    value_tier: str
    language: str
    admission: Admission | None
    ways: tuple[Way, ...]
    courses: tuple[Course, ...]


def foresee(caller: Caller, *, site: Site, floor: Floor, trunks_in_use: int, now: float) -> Foresight:
    """What would become of this caller.

    `caller.queue` and `caller.language` must be the site's. Costs a look at every agent for each queue.
    """
    plan = contact_plan(site)
    hotline = site.hotline(caller.dialed)
    arrival = Arrival(NOBODY, "", caller.dialed, hotline.dialed, caller.phone, "", caller.customer)
    contact = newcomer(arrival, plan, now)
    if caller.language is not None:
        contact = replace(contact, language=caller.language)
    found = _ways(contact, hotline, plan, caller.at)
    return Foresight(
        hotline=hotline,
        value_tier=contact.value_tier,
        language=contact.language,
        admission=_admission(site, contact, trunks_in_use),
        ways=found,
        courses=tuple(
            _course(replace(contact, language=language), queue, keys, caller.at, plan, site, floor, now)
            for queue, language, keys in _entries(caller, contact, hotline, found)
        ),
    )


def _ways(contact: Contact, hotline: Hotline, plan: Plan, at: float) -> tuple[Way, ...]:
    if hotline.flow is None:
        return ()
    facts = facts_of(contact, plan)
    return ways(plan.flows[hotline.flow], facts, at)


def _entries(
    caller: Caller, contact: Contact, hotline: Hotline, found: Sequence[Way]
) -> Sequence[tuple[str, str, str | None]]:
    """(queue, language, keys): each queue once, by its shortest way; that costs no change of language if any does."""
    if hotline.queue is not None:
        by_way: dict[str, tuple[str, str | None]] = {hotline.queue: (contact.language, None)}
    else:
        by_way = {}
        for way in found:
            if isinstance(way.exit, ToQueue):
                by_way.setdefault(way.exit.queue, (way.language, way.keys))
    if caller.queue is not None:
        by_way = {caller.queue: by_way.get(caller.queue, (contact.language, None))}
    return [(queue, language, keys) for queue, (language, keys) in by_way.items()]


def _admission(site: Site, contact: Contact, trunks_in_use: int) -> Admission | None:
    if site.trunks is None:
        return None
    return admit(site.trunks - trunks_in_use, site.policy.tier(site.tier_rank(contact.value_tier)))


def _course(
    contact: Contact, queue: str, keys: str | None, at: float, plan: Plan, site: Site, floor: Floor, now: float
) -> Course:
    draft = Draft(contact, plan, now)
    enter_queue(draft, queue)
    step = draft.step()
    entering = next(command for command in step.commands if isinstance(command, ask.EnterQueue))
    decided = next((event for event in step.events if isinstance(event, ev.RoutingDecided)), None)
    explanation, ladder = floor.explain_entry(entering)
    return Course(
        keys=keys,
        entered=queue,
        language=contact.language,
        value_tier=step.contact.value_tier,
        entering=entering,
        decided=decided,
        requires=both(plan.queue(entering.queue).requires, entering.requires),
        closed=_closed(site, entering.queue, at, floor),
        ladder=ladder,
        explanation=explanation,
    )


def _closed(site: Site, queue: str, at: float, floor: Floor) -> tuple[Closing, ...]:
    """Why the queue is closed at that instant: its hours then, and for other reasons as it is now."""
    line = site.queues[queue]
    others = tuple(each for each in floor.closings(queue) if each.reason != HOURS)
    if line.hours is None or is_open(site.calendars[line.hours], at):
        return others
    return (Closing(HOURS, line.closed_exit, line.closing), *others)
