"""One seed → what will happen: who calls when, how people behave, and which faults there are, each at its moment."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

HOTLINES = ("0800000100", "0800000100", "0800000200", "0800000900")
AGENTS = tuple(f"agent{number:02}" for number in range(1, 11))
CALM_SHARE = 0.05
SAFETY_S = 150.0
"""How long faults may happen; then they stop, and everything must end."""


@dataclass(frozen=True, slots=True)
class CallerPlan:
    """A caller: when they call and whom, how long they wait, which keys they press when, how long they would talk.

    `called` is what they do each time that we call them back, (what, after how long): answer, busy, ignore.
    """

    name: str
    at: float
    number: str
    dialed: str
    patience_s: float
    keys: tuple[tuple[float, str], ...]
    talk_s: float
    hangs_up: bool
    called: tuple[tuple[str, float], ...] = (("answer", 3.0),)


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """An agent: what their phone does with each offer in turn, and (instant, what they choose) besides.

    `rings`: (what, after how long): answer, reject, busy, ignore. `chooses`: available, aux, out, unplug, plug.
    """

    agent_id: str
    rings: tuple[tuple[str, float], ...]
    chooses: tuple[tuple[float, str], ...]
    talk_s: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Fault:
    """Something goes wrong. `what` and its `at` (an instant, or a count) and `for_s` (how long it lasts).

    kill_at (instant), kill_commit, kill_committed (the n-th commit, before and after it is written), kill_request,
    kill_requested (the n-th request, before it leaves and after it has acted): our process dies, for `for_s`.
    lose_event: the n-th event that Asterisk says is never heard, on a connection that is fine.
    refuse: the n-th request is refused, whatever it asks.
    link, half_open, ami, asterisk, disk: instants.
    deaf: the link is lost, and Asterisk forgets who listens on the next one.
    """

    what: str
    at: float
    for_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Odds:
    """How likely each message suffers, while faults may happen."""

    late: float = 0.0
    late_s: float = 0.0
    doubled: float = 0.0
    overtaken: float = 0.0
    refused: float = 0.0
    unheard: float = 0.0
    lost: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """All that will happen."""

    seed: int
    callers: tuple[CallerPlan, ...]
    agents: tuple[AgentPlan, ...]
    faults: tuple[Fault, ...]
    odds: Odds

    def lines(self) -> list[str]:
        """The schedule, to be read."""
        return [
            f"seed {self.seed}: {len(self.callers)} callers, {len(self.agents)} agents",
            *(f"  {each}" for each in self.callers),
            *(f"  {each}" for each in self.agents),
            *(f"  {each}" for each in self.faults),
            f"  {self.odds}",
        ]


def drawn(seed: int) -> Plan:
    """The plan of a seed."""
    rng = random.Random(f"plan/{seed}")
    staff = rng.sample(AGENTS, rng.randint(1, 6))
    plan = Plan(
        seed=seed,
        callers=tuple(_caller(rng, n) for n in range(rng.randint(3, 14))),
        agents=tuple(_agent(rng, agent_id) for agent_id in sorted(staff)),
        faults=tuple(sorted(_faults(rng), key=lambda fault: (fault.what, fault.at))),
        odds=_odds(rng),
    )
    return replace(plan, faults=(), odds=Odds()) if rng.random() < CALM_SHARE else plan


def one_call(*faults: Fault) -> Plan:
    """An ordinary call: a menu, a queue, an agent who picks up after 3 s, a talk that the agent ends after 8 s."""
    caller = CallerPlan("caller", 2.0, "0910000001", "0800000100", 60.0, ((5.0, "1"),), 20.0, hangs_up=False)
    agent = AgentPlan("agent01", (("answer", 3.0),), (), 8.0, holds=True)
    return Plan(0, (caller,), (agent,), faults, Odds())


def long_wait(*faults: Fault) -> Plan:
    """A caller who waits in a queue for 95 s, until the only agent's phone is plugged in."""
    caller = CallerPlan("caller", 2.0, "0910000001", "0800000200", 140.0, (), 5.0, hangs_up=True)
    chooses = ((0.6, "unplug"), (100.0, "plug"), (101.0, "available"))
    agent = AgentPlan("agent01", (("answer", 1.0),), chooses, 30.0, holds=False)
    return Plan(0, (caller,), (agent,), faults, Odds())


def called_back(*faults: Fault) -> Plan:
    """A caller whom a queue promises a call after 30 s, and who is called once the only agent's phone is plugged in."""
    caller = CallerPlan("caller", 2.0, "0910000001", "0800000100", 140.0, ((5.0, "1"),), 20.0, hangs_up=True)
    chooses = ((0.6, "unplug"), (60.0, "plug"), (61.0, "available"))
    agent = AgentPlan("agent01", (("answer", 1.0),), chooses, 8.0, holds=False)
    return Plan(0, (caller,), (agent,), faults, Odds())


def _caller(rng: random.Random, n: int) -> CallerPlan:
    keys = sorted((rng.uniform(0.5, 20.0), rng.choice("0123459*#")) for _ in range(rng.choice((0, 1, 1, 2, 3))))
    return CallerPlan(
        name=f"caller {n}",
        at=round(rng.uniform(1.0, 0.7 * SAFETY_S), 3),
        number=rng.choice(("0910000001", "0910000006", "0910000009", f"09200{n:05}", "")),
        dialed=rng.choice(HOTLINES),
        patience_s=round(rng.choice((rng.uniform(0.0, 15.0), rng.uniform(20.0, 200.0))), 3),
        keys=tuple((round(at, 3), key) for at, key in keys),
        talk_s=round(rng.expovariate(1 / 25.0), 3),
        hangs_up=rng.random() < 0.5,
        called=_called(random.Random(f"called/{n}/{rng.random()}")),
    )


def _called(rng: random.Random) -> tuple[tuple[str, float], ...]:
    whats = rng.choices(("answer", "busy", "ignore"), (6, 1, 1), k=3)
    return tuple((what, round(rng.uniform(0.5, 12.0), 3)) for what in whats)


def _agent(rng: random.Random, agent_id: str) -> AgentPlan:
    rings = tuple(
        (rng.choices(("answer", "reject", "busy", "ignore"), (8, 1, 1, 1))[0], round(rng.uniform(0.05, 6.0), 3))
        for _ in range(8)
    )
    chooses = sorted(
        (round(rng.uniform(2.0, SAFETY_S), 3), rng.choice(("available", "aux", "out", "unplug", "plug")))
        for _ in range(rng.choice((0, 0, 1, 3, 5)))
    )
    return AgentPlan(agent_id, rings, tuple(chooses), round(rng.uniform(2.0, 60.0), 3), rng.random() < 0.2)


def _faults(rng: random.Random) -> list[Fault]:
    faults: list[Fault] = []

    def moment() -> float:
        return round(rng.uniform(2.0, SAFETY_S), 3)

    def away() -> float:
        return round(rng.choice((0.3, rng.uniform(0.5, 6.0), rng.uniform(5.0, 60.0))), 3)

    if rng.random() < 0.6:
        for _ in range(rng.randint(1, 4)):
            what = rng.choice(("kill_at", "kill_commit", "kill_committed", "kill_request", "kill_requested"))
            at = moment() if what == "kill_at" else float(rng.randint(1, 250))
            faults.append(Fault(what, at, away()))
    for what, odds, longest_s in (
        ("link", 0.25, 0.0),
        ("half_open", 0.2, 0.0),
        ("deaf", 0.15, 0.0),
        ("ami", 0.2, 40.0),
        ("asterisk", 0.2, 8.0),
        ("disk", 0.2, 3.0),
    ):
        if rng.random() < odds:
            faults += [Fault(what, moment(), round(rng.uniform(0.2, longest_s), 3)) for _ in range(rng.randint(1, 3))]
    return faults


def _odds(rng: random.Random) -> Odds:
    def sometimes(share: float, most: float) -> float:
        return round(rng.uniform(0.0, most), 3) if rng.random() < share else 0.0

    return Odds(
        late=sometimes(0.4, 0.5),
        late_s=rng.choice((0.05, 0.5, 1.5)),
        doubled=sometimes(0.3, 0.3),
        overtaken=sometimes(0.3, 0.3),
        refused=sometimes(0.15, 0.05),
        unheard=sometimes(0.25, 0.05),
        lost=sometimes(0.2, 0.05),
    )


def shrunk(plan: Plan, fails: Callable[[Plan], bool]) -> Plan:
    """A smaller plan that still fails: faults, odds, callers and agents are left out one by one."""
    for name in ("faults", "callers", "agents"):
        parts = getattr(plan, name)
        n = 0
        while n < len(parts):
            smaller = replace(plan, **{name: parts[:n] + parts[n + 1 :]})
            if fails(smaller):
                plan, parts = smaller, getattr(smaller, name)
            else:
                n += 1
    for name in ("late", "doubled", "overtaken", "refused", "unheard", "lost"):
        if getattr(plan.odds, name):
            smaller = replace(plan, odds=replace(plan.odds, **{name: 0.0}))
            if fails(smaller):
                plan = smaller
    return plan
