"""Presets: centers described in numbers, as JSON, made into a site and a load.

A preset that describes a `center` brings its own site; one that does not is laid over a site that is given. Either
can be laid over a given site: its calls are then spread over all queues, languages and tiers of that site, and all its
agents work through the day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from routing.messages import Configured
from routing.model import AgentProfile, QueueRules
from routing.policy import Discipline, Tier, TierPolicy
from routing.requirement import ANYONE, Held, Requirement, both, met, needing
from routing.simulate.durations import Duration, Hazard, duration
from routing.simulate.load import Answering, Arrivals, Callbacks, Ivr, Kind, Load, Redials, Roster, Shift

HOUR_S = 3_600.0
DEFAULT_TIER_SHARES = (0.05, 0.15, 0.3, 0.5)
MAIN_LANGUAGE_SHARE = 0.85


@dataclass(frozen=True, slots=True)
class _Type:
    """What some callers want, whatever their tier."""

    queue: str
    share: float
    requires: Requirement
    handling: Duration
    patience_times: float = 1.0


def own_center(described: Mapping[str, Any]) -> tuple[Configured, Load]:
    """The site and the load of a preset that describes a center. Raises KeyError or ValueError if it is wrong."""
    center = described["center"]
    agents = [f"a{at + 1:04}" for at in range(center["agents"])]
    types, profiles = _skilled(described, agents) if center["skills"] else _one_pool(described, agents)
    tiers = described["tiers"]
    wanted = Roster(
        tuple(_shifts(described["roster"], agents)),
        **{name: described["roster"][name] for name in ("absent", "jitter_s", "speed_cv", "wrap_up_share")},
    )
    queues = dict.fromkeys(each.queue for each in types)
    policy = TierPolicy(Discipline(described["discipline"]), tuple(_tier(each) for each in tiers))
    site = Configured(tuple(QueueRules(queue, wrap_up_s=0.0) for queue in queues), profiles, policy)
    return site, _load(described, types, [each["share"] for each in tiers], wanted)


def over_site(described: Mapping[str, Any], site: Configured, languages: Sequence[str], agents: Sequence[str]) -> Load:
    """The preset's calls on this site: a queue gets as many as agents may serve it, the first language most.

    A caller's language is a skill that is required, as in real calls. All these agents work from the first call to the
    last.
    """
    shares = _language_shares(languages)
    handling = duration(described["handling"])
    types = []
    for queue in site.queues:
        for language, share in shares.items():
            requires: Requirement = Held(language) if language else ANYONE
            able = sum(met(both(queue.requires, requires), agent) for agent in site.agents)
            types.append(_Type(queue.queue, share * able, requires, handling))
    known = {each["name"]: each["share"] for each in described.get("tiers", ())}
    tiers = site.policy.tiers
    by_rank = [DEFAULT_TIER_SHARES[min(rank, len(DEFAULT_TIER_SHARES) - 1)] for rank in range(len(tiers))]
    tier_shares = [known.get(tier.name, by_rank[rank]) for rank, tier in enumerate(tiers)]
    arrivals = _arrivals(described["arrivals"])
    roster = described["roster"]
    breaks = tuple(
        (arrivals.from_s + begins_h * HOUR_S, lasts_h * HOUR_S) for begins_h, lasts_h in roster.get("breaks_h", ())
    )
    shifts = tuple(Shift(agent, arrivals.from_s, arrivals.until_s, breaks) for agent in agents)
    wanted = Roster(shifts, **{name: roster[name] for name in ("absent", "jitter_s", "speed_cv", "wrap_up_share")})
    return _load(described, types, tier_shares, wanted)


def _language_shares(languages: Sequence[str]) -> dict[str | None, float]:
    if not languages:
        return {None: 1.0}
    if len(languages) == 1:
        return {languages[0]: 1.0}
    others = (1 - MAIN_LANGUAGE_SHARE) / (len(languages) - 1)
    return {language: others if at else MAIN_LANGUAGE_SHARE for at, language in enumerate(languages)}


def _load(described: Mapping[str, Any], types: Sequence[_Type], tier_shares: Sequence[float], roster: Roster) -> Load:
    patience = duration(described["patience"])
    assert isinstance(patience, Hazard)
    ivr = Ivr.of(**described.get("ivr", {"mean_s": 0.0}))
    tiers = described.get("tiers", ())
    times = [float(each.get("patience_times", 1.0)) for each in tiers] or [1.0] * len(tier_shares)
    kinds = tuple(
        Kind(
            queue=each.queue,
            weight=each.share * share,
            requires=each.requires,
            value_tier=rank,
            handling=each.handling,
            patience=patience.times(each.patience_times * times[min(rank, len(times) - 1)]),
            ivr=ivr,
        )
        for each in types
        for rank, share in enumerate(tier_shares)
    )
    answering = described["answering"]
    return Load(
        _arrivals(described["arrivals"]),
        kinds,
        roster,
        Redials(**described["redials"]),
        Answering(duration(answering["ring"]), answering["missed"], answering["back_s"]),
        _callbacks(described.get("callbacks", {})),
    )


def _callbacks(described: Mapping[str, Any]) -> Callbacks:
    given = dict(described)
    return Callbacks(**given | ({"ring": duration(given["ring"])} if "ring" in given else {}))


def _arrivals(described: Mapping[str, Any]) -> Arrivals:
    return Arrivals(
        means=tuple(mean * described.get("first_calls", 1.0) for mean in described["per_hour"]),
        from_s=described["from_h"] * HOUR_S,
        cv=described.get("cv", 0.0),
        day_cv=described.get("day_cv", 0.0),
        spike_share=described.get("spike_share", 0.0),
        spike_factor=described.get("spike_factor", 1.0),
    )


def _tier(described: Mapping[str, Any]) -> Tier:
    return Tier(described["name"], described["slope"], described["head_start_s"], described["target_s"])


def _shifts(roster: Mapping[str, Any], agents: Sequence[str]) -> list[Shift]:
    """The shifts handed out to the agents in a pattern that spreads every shift over all of them.

    Agents beyond the shifts' number are off duty.
    """
    wanted = [each for each in roster["shifts"] for _ in range(each["agents"])]
    # Agents of one skill group follow each other, so every shift takes each so many-th agent.
    step = len(agents) / len(wanted)
    order = sorted(range(len(wanted)), key=lambda at: (at * _GOLDEN) % 1.0)
    return [_shift(wanted[which], roster, agents[int(at * step)]) for at, which in enumerate(order)]


_GOLDEN = 0.6180339887498949


def _shift(described: Mapping[str, Any], roster: Mapping[str, Any], agent_id: str) -> Shift:
    from_s = described["from_h"] * HOUR_S
    breaks = described.get("breaks_h", roster.get("breaks_h", ()))
    return Shift(
        agent_id,
        from_s,
        described["to_h"] * HOUR_S,
        tuple((from_s + begins_h * HOUR_S, lasts_h * HOUR_S) for begins_h, lasts_h in breaks),
    )


def _one_pool(described: Mapping[str, Any], agents: Sequence[str]) -> tuple[list[_Type], tuple[AgentProfile, ...]]:
    """Everybody serves everybody, from one queue."""
    types = [
        _Type("bank", each["share"], ANYONE, duration(each["handling"]), each.get("patience_times", 1.0))
        for each in described["types"]
    ]
    return types, tuple(AgentProfile(agent, {}) for agent in agents)


def _skilled(described: Mapping[str, Any], agents: Sequence[str]) -> tuple[list[_Type], tuple[AgentProfile, ...]]:
    """One type of call per skill, the first the most common, and groups of agents with a few skills each.

    A group's first skill is dealt out in proportion to the calls, so that every skill has its groups; the others are
    drawn. Every fourth type wants proficiency 40 or better; a group's first skill has 80, the others 40 to 60.
    """
    center = described["center"]
    lots = np.random.Generator(np.random.PCG64(center["seed"]))
    skills = [f"s{at + 1:02}" for at in range(center["skills"])]
    weights = np.array([(at + 1.0) ** -center["unevenness"] for at in range(len(skills))])
    weights /= weights.sum()
    handling = duration(described["handling"])
    types = [
        _Type(f"q{at % center['queues'] + 1}", float(weights[at]), needing({skill: 40 if at % 4 == 3 else 1}), handling)
        for at, skill in enumerate(skills)
    ]
    firsts = np.searchsorted(np.cumsum(weights), (np.arange(center["groups"]) + 0.5) / center["groups"])
    groups: list[dict[str, int]] = []
    for first in firsts:
        others = lots.permutation(len(skills))[: lots.integers(center["skills_min"], center["skills_max"] + 1)]
        levels = {skills[at]: int(lots.integers(40, 61)) for at in others if at != first}
        groups.append({skills[first]: 80} | dict(list(levels.items())[: center["skills_max"] - 1]))
    return types, tuple(AgentProfile(agent, groups[at * len(groups) // len(agents)]) for at, agent in enumerate(agents))
