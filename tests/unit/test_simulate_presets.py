"""The presets are what they say: regenerated samples match the published means, and the centers can serve."""

import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import routing.simulate
from routing.messages import Configured
from routing.model import AgentProfile, QueueRules
from routing.requirement import Held, Requirement, both, met
from routing.simulate.day import simulate
from routing.simulate.draw import Day, draw
from routing.simulate.load import Load
from routing.simulate.presets import over_site, own_center
from routing.simulate.results import ALL, summarise

PRESETS = Path(routing.simulate.__file__).parent / "presets"


def described(name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((PRESETS / f"{name}.json").read_text(encoding="utf-8"))
    return read


def days(load: Load, count: int) -> list[Day]:
    return [draw(load, 1, replication) for replication in range(count)]


BANK_TYPES = {"PS": 193.8, "NW": 114.7, "NE": 295.7, "IN": 284.6}
"""Published mean service seconds of the calls of 10 s and more."""


@pytest.mark.parametrize(("name", "mean_s"), BANK_TYPES.items())
def test_the_banks_service_times_have_the_published_means(name: str, mean_s: float) -> None:
    """Log-normal with the published parameters reproduces the sample mean within 2 % for all calls, 5 % by type."""
    _, load = own_center(described("bank-1999"))
    names = [each["name"] for each in described("bank-1999")["types"]]
    drawn = days(load, 120)
    handle_s = np.concatenate([np.array(day.handle_s) for day in drawn])
    kind = np.concatenate([np.array(day.kind) for day in drawn])
    theirs = handle_s[(kind // 2 == names.index(name)) & (handle_s >= 10.0)]
    assert theirs.mean() == pytest.approx(mean_s, rel=0.06)


def test_the_banks_calls_last_as_long_and_are_as_patient_as_measured() -> None:
    """All calls: mean 176.4 s; S(15, 30, 60, 120, 300, 600 s) by Kaplan and Meier as published."""
    _, load = own_center(described("bank-1999"))
    drawn = days(load, 60)
    handle_s = np.concatenate([np.array(day.handle_s) for day in drawn])
    assert handle_s.mean() == pytest.approx(176.4, rel=0.03)
    assert np.mean(handle_s < 10.0) == pytest.approx(0.067, abs=0.012)
    patience_s = np.concatenate([np.array(day.patience_s[0]) for day in drawn])
    for age_s, survival in ((15, 0.943), (30, 0.900), (60, 0.821), (120, 0.711), (300, 0.487), (600, 0.264)):
        assert np.mean(patience_s > age_s) == pytest.approx(survival, abs=0.012)


def test_the_banks_hours_bring_as_many_calls_and_scatter_as_much_as_measured() -> None:
    preset = described("bank-1999")
    _, load = own_center(preset)
    hours = np.array(
        [np.bincount((np.array(day.at_s) // 3_600).astype(int), minlength=24)[7:] for day in days(load, 300)]
    )
    expected = np.array(preset["arrivals"]["per_hour"]) * preset["arrivals"]["first_calls"]
    np.testing.assert_allclose(hours.mean(axis=0), expected, rtol=0.05)
    dispersion = hours.var(axis=0) / hours.mean(axis=0)
    assert 1.1 < np.median(dispersion) < 6.0, "variance ÷ mean of an hour's calls was 1.1 to 6"


def test_the_banks_callers_queue_and_give_up_as_they_did() -> None:
    """Of all calls 11.9 % gave up in the queue, and the mean time in queue was 41.3 s (54.5 % of 75.8 s)."""
    site, load = own_center(described("bank-1999"))
    records = [simulate(site, day) for day in days(load, 40)]
    gave_up = np.concatenate([record.abandoned() for record in records])
    ring_s = 2.0
    waits_s = np.concatenate([np.maximum(record.wait_s - ring_s, 0.0) for record in records])
    assert gave_up.mean() == pytest.approx(0.119, abs=0.02)
    assert waits_s.mean() == pytest.approx(41.3, rel=0.2)


def test_the_reference_site_is_as_large_as_it_says() -> None:
    site, load = own_center(described("site-1500"))
    assert sum(load.arrivals.means) == 60_000
    assert max(load.arrivals.means) / 60_000 == pytest.approx(0.12)
    assert len(site.agents) == 1_500
    assert len({tuple(sorted(agent.skills.items())) for agent in site.agents}) == 120
    assert all(2 <= len(agent.skills) <= 6 for agent in site.agents)
    assert len({skill for agent in site.agents for skill in agent.skills}) == 40
    assert [tier.name for tier in site.policy.tiers] == ["vip", "standard", "basic"]
    by_tier = [sum(kind.weight for kind in load.kinds if kind.value_tier == tier) for tier in range(3)]
    assert by_tier == pytest.approx([0.05, 0.25, 0.7])


def test_every_kind_of_call_of_the_reference_site_has_agents_on_every_shift() -> None:
    site, load = own_center(described("site-1500"))
    profiles = {agent.agent_id: agent for agent in site.agents}
    starts = {shift.from_s for shift in load.roster.shifts}
    for requires in {kind.requires for kind in load.kinds}:
        able = [shift.from_s for shift in load.roster.shifts if met(requires, profiles[shift.agent_id])]
        assert all(able.count(start) >= 2 for start in starts)


def test_nobody_works_two_shifts() -> None:
    for name in ("site-1500", "bank-1999"):
        _, load = own_center(described(name))
        agents = [shift.agent_id for shift in load.roster.shifts]
        assert len(agents) == len(set(agents))


def test_the_reference_day_is_served_well_but_not_at_leisure() -> None:
    """The first three hours of it, up to the peak: 80/20 is met with little to spare."""
    site, load = own_center(described("site-1500"))
    morning = replace(load, arrivals=replace(load.arrivals, means=load.arrivals.means[:3]))
    found = summarise(site, [simulate(site, draw(morning, 1))])[ALL].figures
    assert 0.8 <= (found["service_level"].value or 0.0) <= 0.98
    assert (found["abandonment"].value or 0.0) <= 0.03


def test_a_preset_over_a_site_calls_every_queue_in_proportion_to_its_agents() -> None:
    agents = (
        *(AgentProfile(f"o{at}", {"orders": 50, "zh": 90}) for at in range(6)),
        *(AgentProfile(f"p{at}", {"product": 50, "zh": 90, "en": 40}) for at in range(2)),
    )
    site = Configured((QueueRules("orders", Held("orders")), QueueRules("product", Held("product"))), agents)
    load = over_site(described("demo"), site, ("zh", "en"), [agent.agent_id for agent in agents])
    weight = defaultdict[tuple[str, Requirement], float](float)
    for kind in load.kinds:
        weight[kind.queue, kind.requires] += kind.weight
    assert weight["orders", Held("zh")] == pytest.approx(3 * weight["product", Held("zh")])
    assert weight["orders", Held("en")] == 0.0, "nobody could serve them"
    assert all(
        any(met(both(queue.requires, kind.requires), agent) for agent in agents)
        for queue in site.queues
        for kind in load.kinds
        if kind.queue == queue.queue and kind.weight > 0
    )
    assert {shift.agent_id for shift in load.roster.shifts} == {agent.agent_id for agent in agents}
    assert all(one.from_s == other.from_s for one, other in pairwise(load.roster.shifts))
