"""How many agents and trunks a center needs: the least numbers that meet a target, by the formulas of `routing.erlang`.

The case of the founding documents, 50 to 60 thousand calls a day of which a tenth come in the busiest hour:

    sizing(calls_per_hour=6000, aht_s=180, target_share=0.8, target_s=20, ivr_s=30, trunk_blocking=0.001)

answers 309 agents for 300 erlangs and 432 trunks for 383.3 erlangs; 5,000 calls an hour need 259 and 365.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from routing.erlang import ErlangA, ErlangC, Waiting, erlang_b, erlang_b_each, least

ERLANGS_MAX: Final = 100_000.0
"""More traffic than this is refused: no center has it, and the answer takes work in proportion to it."""


class TooMuchTraffic(ValueError):
    """The traffic is beyond ERLANGS_MAX; nothing was worked out."""

    def __init__(self, erlangs: float) -> None:
        super().__init__(f"{erlangs:,.0f} erlangs are more than the {ERLANGS_MAX:,.0f} this can work out")
        self.erlangs = erlangs


@dataclass(frozen=True, slots=True)
class Target:
    """What agents must achieve. Shares lie in (0, 1); None asks nothing."""

    share: float
    """Least service level: answered within `within_s` ÷ entered; whoever gave up was not answered."""
    within_s: float
    abandonment_max: float | None = None
    occupancy_max: float | None = None

    def met_by(self, state: Waiting) -> bool:
        """Whether this many agents achieve it."""
        return (
            state.service_level(self.within_s) >= self.share
            and (self.abandonment_max is None or state.abandonment <= self.abandonment_max)
            and (self.occupancy_max is None or state.occupancy <= self.occupancy_max)
        )


@dataclass(frozen=True, slots=True)
class Sizing:
    """What a load needs and what it then gets. None stands for what was not asked."""

    erlangs: float
    """Traffic for the agents."""
    agents: int
    """The least number at work that meets the target."""
    positions: int
    """Agents to be on the roster, shrinkage included."""
    service_level: float
    """Answered within the target ÷ entered."""
    service_level_ignore: float
    """The same, without the contacts that gave up within the target."""
    asa_s: float
    """Mean wait of answered contacts."""
    occupancy: float
    p_wait: float
    """Share of the contacts that must wait at all."""
    abandonment: float | None
    trunk_erlangs: float | None
    """Traffic for the trunks: IVR, wait and AHT of each call."""
    trunks: int | None
    trunk_blocking: float | None
    """Share of the calls that then find no trunk; at most what was asked."""


def sizing(
    *,
    calls_per_hour: float,
    aht_s: float,
    target_share: float,
    target_s: float,
    patience_s: float | None = None,
    abandonment_max: float | None = None,
    occupancy_max: float | None = None,
    shrinkage: float = 0.0,
    ivr_s: float = 0.0,
    trunk_blocking: float | None = None,
) -> Sizing:
    """Agents for a service level (Erlang C; Erlang A if `patience_s` is given) and trunks for a blocking (Erlang B).

    All calls reach the queue. A call holds its trunk for the IVR, its wait, and the whole AHT: counting wrap-up and,
    as wait, the greater of `target_s` and the mean errs to the safe side. Raises TooMuchTraffic.
    """
    calls_per_s = calls_per_hour / 3600.0
    erlangs = calls_per_s * aht_s
    state = agents_for(erlangs, aht_s, Target(target_share, target_s, abandonment_max, occupancy_max), patience_s)
    trunk_erlangs = trunks = blocked = None
    if trunk_blocking is not None:
        trunk_erlangs = calls_per_s * (ivr_s + max(target_s, state.wait_s) + aht_s)
        trunks = trunks_for(trunk_erlangs, trunk_blocking)
        blocked = erlang_b(trunks, trunk_erlangs)
    return Sizing(
        erlangs=erlangs,
        agents=state.agents,
        positions=positions(state.agents, shrinkage),
        service_level=state.service_level(target_s),
        service_level_ignore=state.service_level_ignore(target_s),
        asa_s=state.asa_s,
        occupancy=state.occupancy,
        p_wait=state.p_wait,
        abandonment=None if patience_s is None else state.abandonment,
        trunk_erlangs=trunk_erlangs,
        trunks=trunks,
        trunk_blocking=blocked,
    )


def agents_for(erlangs: float, aht_s: float, target: Target, patience_s: float | None = None) -> Waiting:
    """The steady state with the fewest agents that meet `target`; one fewer misses it. Raises TooMuchTraffic.

    Contacts wait for ever unless `patience_s` is given. Everything a target asks gets better with each agent.
    """
    _refuse_too_much(erlangs)
    # Nobody waits for long, or gives up, who does not wait at all: with this few waiting in Erlang C all is met.
    p_wait_max = min(1.0 - target.share, target.abandonment_max or 1.0)
    agents_min = erlangs / (target.occupancy_max or 1.0)
    blocked = [1.0]
    for agents, lost in enumerate(erlang_b_each(erlangs)):
        if agents == 0:
            continue
        blocked.append(lost)
        if agents >= agents_min and agents > erlangs and ErlangC.of(agents, erlangs, aht_s, lost).p_wait <= p_wait_max:
            break

    def state(agents: int) -> Waiting:
        if patience_s is None:
            return ErlangC.of(agents, erlangs, aht_s, blocked[agents])
        return ErlangA.of(agents, erlangs, aht_s, patience_s, blocked[agents])

    enough = len(blocked) - 1
    first = 1 if patience_s is not None else math.floor(erlangs) + 1
    candidates = range(first, enough)
    return state(first + bisect_left(candidates, True, key=lambda agents: target.met_by(state(agents))))


def positions(agents: int, shrinkage: float) -> int:
    """Agents to be on the roster so that `agents` are at work: ⌈agents ÷ (1 − shrinkage)⌉, 0 ≤ shrinkage < 1."""
    # A quotient that is whole but for the last bit is whole: 7 ÷ (1 − 0.3) is 10, not 11.
    return math.ceil(round(agents / (1.0 - shrinkage), 9))


def trunks_for(erlangs: float, blocking: float) -> int:
    """The fewest trunks that lose at most `blocking` in (0, 1] of the calls. Raises TooMuchTraffic."""
    _refuse_too_much(erlangs)
    return sum(1 for _ in takewhile(lambda blocked: blocked > blocking, erlang_b_each(erlangs)))


def erlangs_for(trunks: int, blocking: float) -> float:
    """The most traffic of which `trunks` ≥ 1 lose at most `blocking` in (0, 1)."""
    # Carried traffic can't exceed the trunks, which bounds the search.
    return least(lambda erlangs: erlang_b(trunks, erlangs) >= blocking, 0.0, trunks / (1.0 - blocking))


def erlangs_served(agents: int, aht_s: float, target: Target, patience_s: float | None = None) -> float:
    """The most traffic that `agents` ≥ 1 serve within `target`; a little more needs one agent more.

    Contacts wait for ever unless `patience_s` is given. Nothing a target asks gets better with more traffic.
    """

    def missed(erlangs: float) -> bool:
        if patience_s is not None:
            return not target.met_by(ErlangA.of(agents, erlangs, aht_s, patience_s))
        return erlangs >= agents or not target.met_by(ErlangC.of(agents, erlangs, aht_s))

    # The answered can't exceed the agents, and they must be the target's share of all.
    return math.nextafter(least(missed, 0.0, agents / target.share), 0.0)


def _refuse_too_much(erlangs: float) -> None:
    if not erlangs <= ERLANGS_MAX:
        raise TooMuchTraffic(erlangs)
