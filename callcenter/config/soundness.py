"""What no single file of a site can tell: requirements that nobody meets, ways in a circle, hours that don't fit.

A mistake is what would leave a caller waiting for nobody, or going round for ever. A warning is what works, but is
hardly meant.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from callcenter.config.model import Agent, Queue
from ivr.calendar import Calendar
from ivr.reading import shown
from ivr.week import ALWAYS, open_minutes, shown_week
from routing.model import Exit
from routing.requirement import ANYONE, Held, Requirement, both, met
from routing.rules import Rule, When


@dataclass(frozen=True, slots=True)
class Whole:
    """What the checks look at, every part of it readable."""

    zone: ZoneInfo
    languages: tuple[str, ...]
    teams: tuple[str, ...]
    locations: tuple[str, ...]
    queues: Mapping[str, Queue]
    agents: Mapping[str, Agent]
    calendars: Mapping[str, Calendar]
    rules: tuple[Rule, ...]


def mistakes(whole: Whole) -> list[str]:
    """Why this site can't be used."""
    return [
        *_empty_teams(whole),
        *(mistake for queue in whole.queues.values() for mistake in _unmet(queue, whole)),
        *_circles(whole.queues),
        *(mistake for rule in whole.rules for mistake in _unmet_by_rule(rule, whole)),
    ]


def warnings(whole: Whole) -> list[str]:
    """What to look at again."""
    return [
        *_empty_locations(whole),
        *(warning for queue in whole.queues.values() for warning in _idle_steps(queue, whole)),
        *(warning for queue in whole.queues.values() for warning in _idle_loans(queue, whole)),
        *(warning for agent in whole.agents.values() for warning in _idle_memberships(agent, whole)),
        *(warning for queue in whole.queues.values() for warning in _hours(queue, whole)),
        *_rules_after_the_last(whole.rules),
    ]


# ---- Who can serve ----


def _able(queue: Queue, requires: Requirement, whole: Whole) -> Iterator[Agent]:
    """The members of the queue who meet its requirement and this one."""
    everything = both(queue.requirement, requires)
    for agent in whole.agents.values():
        if (agent.queues is None or queue.queue in agent.queues) and met(everything, agent):
            yield agent


def _nobody(queue: Queue, requires: Requirement, whole: Whole) -> bool:
    return next(_able(queue, requires, whole), None) is None


def _unmet(queue: Queue, whole: Whole) -> Iterator[str]:
    """A queue, or a step of it, that nobody can serve: in some language its callers would wait for nobody."""
    without = [language for language in whole.languages if _nobody(queue, Held(language), whole)]
    key = "needs" if queue.requires == ANYONE else "requires"
    for language in without:
        yield f"queues.{queue.queue}.{key}: no agent has the skills to serve it in {language!r}"
    spoken = [language for language in whole.languages if language not in without]
    for n, step in enumerate(queue.steps, 1):
        at = f"queues.{queue.queue}.steps[{n}].requires"
        missing = [language for language in spoken if _nobody(queue, both(Held(language), step.requires), whole)]
        if missing and missing == spoken:
            yield f"{at}: no agent can meet it"
        elif not step.skip_if_unstaffed or n == len(queue.steps):
            hint = "" if n == len(queue.steps) else "; skip_if_unstaffed = true leaves the step at once then"
            yield from (f"{at}: no agent can meet it in {language!r}{hint}" for language in missing)


def _unmet_by_rule(rule: Rule, whole: Whole) -> Iterator[str]:
    """What a rule requires must be met in every queue and language in which it can hold, and where those lead to."""
    if rule.then.requires is None:
        return
    for queue_id in _queues_of(rule, whole.queues):
        queue = whole.queues[queue_id]
        for language in rule.when.language or whole.languages:
            if _nobody(queue, both(Held(language), rule.then.requires), whole):
                yield f"rules.{rule.name}.then.requires: nobody can serve it in queue {queue_id!r} in {language!r}"


def _queues_of(rule: Rule, queues: Mapping[str, Queue]) -> list[str]:
    """The queues in which contacts of this rule may wait: where it sends them, or holds, and where those overflow."""
    todo = [rule.then.queue] if rule.then.queue else list(rule.when.queue or queues)
    reached: dict[str, None] = {}
    while todo:
        queue_id = todo.pop(0)
        if queue_id not in reached:
            reached[queue_id] = None
            todo += _onward(queues[queue_id])
    return list(reached)


def _empty_teams(whole: Whole) -> Iterator[str]:
    for team in whole.teams:
        if all(agent.team != team for agent in whole.agents.values()):
            yield f"site.teams: nobody is in team {shown(team)}"


def _empty_locations(whole: Whole) -> Iterator[str]:
    for location in whole.locations:
        if all(agent.location != location for agent in whole.agents.values()):
            yield f"site.locations: nobody is at {shown(location)}"


# ---- Where contacts go ----


def _onward(queue: Queue) -> list[str]:
    """The queues that the ways out of this one lead to, each once."""
    return list(dict.fromkeys(way.queue for way in queue.exits if way.queue is not None))


def _circles(queues: Mapping[str, Queue]) -> Iterator[str]:
    """Overflow that comes back to where it began, each circle once."""
    done: set[str] = set()
    for root in queues:
        path: list[str] = []
        todo: list[tuple[str, bool]] = [(root, False)]
        while todo:
            queue_id, leaving = todo.pop()
            if leaving:
                done.add(path.pop())
            elif queue_id in path:
                circle = [*path[path.index(queue_id) :], queue_id]
                yield f"queues.{queue_id}: circular overflow: {' → '.join(circle)}"
            elif queue_id not in done:
                path.append(queue_id)
                todo.append((queue_id, True))
                todo += [(onward, False) for onward in reversed(_onward(queues[queue_id]))]


# ---- What works, but is hardly meant ----


def _idle_steps(queue: Queue, whole: Whole) -> Iterator[str]:
    """Steps that change nothing, and skips that can't be taken."""
    before: set[str] = set()
    for n, step in enumerate(queue.steps, 1):
        at = f"queues.{queue.queue}.steps[{n}]"
        able = {agent.agent_id for agent in _able(queue, step.requires, whole)}
        if n > 1 and able <= before:
            yield f"{at}: nobody may serve who could not before"
        if step.skip_if_unstaffed and n == len(queue.steps) and queue.exit_to is None:
            yield f"{at}.skip_if_unstaffed: is never skipped: the last step has no exit"
        before = able


def _idle_loans(queue: Queue, whole: Whole) -> Iterator[str]:
    """Loans that bring nobody who could serve here."""
    for n, loan in enumerate(queue.loans, 1):
        lender = whole.queues[loan.lender]
        if not any(met(queue.requirement, agent) for agent in _able(lender, ANYONE, whole)):
            at = f"queues.{queue.queue}.loans[{n}].lender"
            yield f"{at}: nobody of {loan.lender!r} meets what {queue.queue!r} requires"


def _idle_memberships(agent: Agent, whole: Whole) -> Iterator[str]:
    """Agents who are members of a queue they can't serve."""
    for queue_id in agent.queues or ():
        queue = whole.queues[queue_id]
        if not any(met(both(queue.requirement, step.requires), agent) for step in queue.steps):
            yield f"agents.{agent.agent_id}.queues.{queue_id}: meets none of its steps"


def _hours(queue: Queue, whole: Whole) -> Iterator[str]:
    """Hours that never come, and ways out that lead to a queue while it is closed."""
    if queue.hours is not None and whole.calendars[queue.hours].closed_now:
        yield f"queues.{queue.queue}.hours: calendar {queue.hours!r} is closed now, whatever its hours say"
    opened = _open(queue, whole)
    limited = queue.limits.waiting_max is not None or queue.limits.wait_max_s is not None or queue.limits.unstaffed
    ways: list[tuple[str, Exit | None, int]] = [
        ("exit", queue.exit_to, opened),
        ("limits.otherwise", queue.limits.otherwise if limited else None, opened),
        ("closed_exit", queue.closed_exit if queue.hours else None, ALWAYS & ~opened),
    ]
    for key, way, used in ways:
        if way is not None and way.queue is not None:
            closed = used & ~_open(whole.queues[way.queue], whole)
            if closed:
                at = f"queues.{queue.queue}.{key}"
                yield f"{at}: leads to {way.queue!r}, which is closed at {shown_week(closed)}"


def _open(queue: Queue, whole: Whole) -> int:
    """The minutes of the week at which the queue takes contacts."""
    return ALWAYS if queue.hours is None else open_minutes(whole.calendars[queue.hours], whole.zone)


def _rules_after_the_last(rules: tuple[Rule, ...]) -> Iterator[str]:
    last: str | None = None
    for rule in rules:
        if last is not None:
            yield f"rules.{rule.name}: is never looked at: {last!r} holds for every contact and stops"
        elif rule.then.stop and rule.when == When():
            last = rule.name
