"""Synthetic centers of any size with the ACD's features on, and the contacts that enter them; all from one seed.

A *requirement class* is a distinct whole requirement: the queue's step and the contact's own, joined (PERFORMANCE.md
calls it a requirement class with its relaxation stage). A queue has two or three steps, and half of its contacts ask
for a language besides, so there are five classes to a queue. A *group* is all agents with the same profile but for
the name: skills, experience, team and memberships.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from routing.messages import Configured, Entered
from routing.model import AgentOrder, AgentProfile, Exit, ExitKind, Limits, Membership, QueueRules, Step
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import ANYONE, Either, Held, InTeam, Requirement, both, met

AHT_S = 300.0
START_AT = 100_000.0
NIGHT = "night"
LANGUAGES_MAX = 8
TIER_SHARES = (2, 5, 13, 30, 50)
PREFERRED_SHARE = 0.10
PREFERRED_WAIT_S = 30.0
BACK_UP_EVERY = 5  # one group in so many is a back-up pool: second rank, hidden from the young in every other queue


@dataclass(frozen=True, slots=True)
class Size:
    """How large a center is. `skills_max`: an agent holds 2 to so many; `waiting`: contacts in line at all times."""

    name: str
    agents: int
    skills: int
    skills_max: int
    groups: int
    classes: int
    waiting: int

    @property
    def decision_s(self) -> float:
        """Seconds from one free agent to the next when all agents are busy."""
        return AHT_S / self.agents

    @property
    def wait_s(self) -> float:
        """Mean wait of this many who wait, by Little's law."""
        return self.waiting * self.decision_s


REFERENCE = Size("reference", agents=1_500, skills=40, skills_max=6, groups=120, classes=150, waiting=2_000)
MOONSHOT = Size("moonshot", agents=10_000, skills=300, skills_max=8, groups=1_000, classes=1_500, waiting=100_000)
SCALES = (
    Size("n", agents=150, skills=13, skills_max=6, groups=12, classes=15, waiting=200),
    replace(REFERENCE, name="10 n"),
    Size("100 n", agents=15_000, skills=310, skills_max=6, groups=1_200, classes=1_500, waiting=20_000),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What contacts of one kind have in common: the queue, what they ask for themselves, and who could be preferred."""

    queue: str
    requires: Requirement
    known_agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Center:
    """A site with the kinds of contacts that enter it. `night` are the agents of the night team."""

    size: Size
    site: Configured
    kinds: tuple[Kind, ...]
    night: frozenset[str]

    @property
    def classes(self) -> int:
        """Distinct whole requirements that contacts can come to."""
        steps = {rules.queue: [both(rules.requires, step.requires) for step in rules.steps] for rules in self.queues}
        return len({both(each, kind.requires) for kind in self.kinds for each in steps[kind.queue]})

    @property
    def groups(self) -> int:
        """Distinct profiles but for the name."""
        return len({_unnamed(profile) for profile in self.site.agents})

    @property
    def queues(self) -> Sequence[QueueRules]:
        """The site's queues."""
        return self.site.queues


def center(size: Size, seed: int = 3) -> Center:
    """A center of this size; the same one for the same seed."""
    rng = random.Random(seed)
    languages = [f"lang{n}" for n in range(min(LANGUAGES_MAX, max(2, size.skills // 10)))]
    trades = [f"skill{n:03}" for n in range(size.skills - len(languages))]
    queues = _queues(size, trades)
    groups = [_group(n, size, trades[: len(queues) + 1], languages, rng) for n in range(size.groups)]
    groups = [_membered(n, profile, queues, size) for n, profile in enumerate(groups)]
    agents = tuple(replace(groups[n % size.groups], agent_id=f"agent{n:05}") for n in range(size.agents))
    policy = TierPolicy(Discipline.ACCUMULATING, _tiers(size))
    kinds = tuple(kind for rules in queues for kind in _kinds(rules, groups, agents, languages, rng))
    night = frozenset(profile.agent_id for profile in agents if profile.team == NIGHT)
    return Center(size, Configured(tuple(queues), agents, policy), kinds, night)


def _queues(size: Size, trades: Sequence[str]) -> list[QueueRules]:
    """Five classes to a queue: two steps in every other queue and three in the rest, with and without a language."""
    queues = []
    for n in range(max(2, size.classes // 5)):
        trade, neighbour = trades[n % len(trades)], trades[(n + 1 + n // len(trades)) % len(trades)]
        steps = [
            Step(Held(trade, 60)),
            Step(
                Either((Held(trade, 20), Held(neighbour, 60))), after_s=0.1 * size.wait_s, skip_if_unstaffed=n % 4 == 1
            ),
            Step(Either((Held(trade), Held(neighbour))), after_s=0.3 * size.wait_s),
        ]
        queues.append(
            QueueRules(
                f"queue{n:03}",
                steps=tuple(steps if n % 2 else (steps[0], steps[2])),
                exit_to=Exit(ExitKind.VOICEMAIL),
                exit_after_s=86_400.0,
                agent_order=AgentOrder.MOST_PROFICIENT if n % 5 == 0 else AgentOrder.LONGEST_IDLE,
                limits=Limits(waiting_max=size.waiting),
            )
        )
    return queues


def _group(n: int, size: Size, trades: Sequence[str], languages: Sequence[str], rng: random.Random) -> AgentProfile:
    """A profile: one trade well, a language, and others so that there are 2 to `skills_max` skills."""
    skills = {trades[n % len(trades)]: rng.randrange(60, 101), languages[n % len(languages)]: 100}
    wanted = rng.randint(2, size.skills_max)
    while len(skills) < wanted:
        skills.setdefault(rng.choice(trades) if rng.random() < 0.8 else rng.choice(languages), rng.randrange(10, 101))
    team = NIGHT if n == size.groups - 1 else f"team{n % 10}"
    return AgentProfile("", skills, experience=rng.choice((20, 50, 80)), team=team, location=f"site{n % 3}")


def _membered(n: int, profile: AgentProfile, queues: Sequence[QueueRules], size: Size) -> AgentProfile:
    """The profile, with memberships told one by one if it is a back-up pool."""
    if n % BACK_UP_EVERY:
        return profile
    own = [rules.queue for rules in queues if met(rules.steps[-1].requires, profile)]
    parts = {queue: Membership(1 + m % 2, 0.05 * size.wait_s * (m % 2)) for m, queue in enumerate(own)}
    return replace(profile, memberships=parts)


def _tiers(size: Size) -> tuple[Tier, ...]:
    """Five tiers; the most valuable ones have their own agents first, and nobody waits for ever."""
    wait_s = size.wait_s
    return (
        Tier("vip_at_risk", 8.0, 60.0, starvation_s=wait_s, experience=50, spill_s=20.0, preferred_wait_s=20.0),
        Tier("vip", 5.0, 30.0, starvation_s=1.5 * wait_s, experience=50, spill_s=10.0),
        Tier("gold", 3.0, starvation_s=2.0 * wait_s),
        Tier("silver", 2.0, starvation_s=2.5 * wait_s),
        Tier("standard", 1.0, starvation_s=3.0 * wait_s),
    )


def _kinds(
    rules: QueueRules,
    groups: Sequence[AgentProfile],
    agents: Sequence[AgentProfile],
    languages: Sequence[str],
    rng: random.Random,
) -> list[Kind]:
    """Contacts without and with a language of their own; the language is one that somebody in the queue speaks."""
    first = both(rules.requires, rules.steps[0].requires)
    able = [n for n, profile in enumerate(groups) if met(first, profile) and profile.membership(rules.queue)]
    known = tuple(agents[at].agent_id for n in able for at in range(n, len(agents), len(groups)))
    spoken = [skill for skill in groups[rng.choice(able)].skills if skill in languages] if able else list(languages)
    return [Kind(rules.queue, ANYONE, known), Kind(rules.queue, Held(rng.choice(spoken)), known)]


def entry(
    contact_id: str, kind: Kind, value_tier: int, now: float, rng: random.Random, *, age_s: float = 0.0
) -> Entered:
    """A contact of this kind, `age_s` after it entered; one in ten knows an agent whom it would rather have."""
    preferred = rng.choice(kind.known_agents) if kind.known_agents and rng.random() < PREFERRED_SHARE else None
    return Entered(
        contact_id,
        kind.queue,
        kind.requires,
        value_tier,
        now - age_s,
        preferred_agent=preferred,
        preferred_wait_s=PREFERRED_WAIT_S if preferred else 0.0,
        clock_s=age_s,
    )


def for_the_night(kind: Kind) -> Kind:
    """The same kind, but only the night team may serve it."""
    return replace(kind, requires=both(kind.requires, InTeam(NIGHT)), known_agents=())


def drawn_tier(rng: random.Random) -> int:
    """A value tier, by `TIER_SHARES`."""
    return rng.choices(range(len(TIER_SHARES)), TIER_SHARES)[0]


def _unnamed(profile: AgentProfile) -> tuple[object, ...]:
    memberships = profile.memberships
    parts = None if memberships is None else tuple(sorted((q, m.rank, m.delay_s) for q, m in memberships.items()))
    return (tuple(sorted(profile.skills.items())), profile.experience, profile.team, profile.location, parts)
