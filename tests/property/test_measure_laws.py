"""Laws of the metrics: parts add up to the whole, receipts to their number, and the rules keep their order."""

from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.facts import AgentState, By, Offer, Record, View, Visit, facts
from routing.measure import Interval, Part, Totals, edges, figure, measure, percentile, receipts, tabulate
from routing.metrics import METRICS, QUANTITIES, Source

DAY = 1_795_046_400.0  # a midnight, UTC
END = DAY + 86_400.0
ZONES = [ZoneInfo(name) for name in ("UTC", "Asia/Taipei", "Asia/Kathmandu")]

_outcomes = st.sampled_from(["answered", "abandoned", "callback", "diverted", "fallback"])
_seconds = st.integers(0, 4_000_000_000).map(lambda us: us / 1e6)
_within = st.integers(0, 86_399_999_999).map(lambda us: DAY + us / 1e6)
_parts: tuple[Part, ...] = ("numerator", "denominator")


@st.composite
def visits(draw: st.DrawFn) -> Visit:
    n = draw(st.integers(0, 10**9))
    entered_at, wait_s = draw(_within), draw(_seconds)
    queue, tier = draw(st.sampled_from(["orders", "vip"])), draw(st.sampled_from(["vip", "basic"]))
    skills = tuple(draw(st.sets(st.sampled_from(["en", "zh-TW", "orders"]), max_size=3)))
    entered = Visit(
        f"c{n}", queue, entered_at, tier, "0800", "en", skills,
        answer_in_s=draw(st.sampled_from([0.0, 20.0])), short_abandon_s=draw(st.sampled_from([0.0, 5.0])),
    )  # fmt: skip
    if draw(st.integers(0, 4)) == 0:
        return entered
    outcome = draw(_outcomes)
    left = replace(entered, outcome=outcome, left_at=entered_at + wait_s, wait_s=wait_s)
    if outcome != "answered":
        return left
    talk_s, hold_s, wrap_up_s = draw(_seconds), draw(_seconds), draw(_seconds)
    answered = replace(left, agent_id="ann", ring_s=draw(st.integers(0, round(wait_s * 1e6))) / 1e6)
    if draw(st.booleans()):
        return answered
    done_at = entered_at + wait_s + talk_s + hold_s + wrap_up_s
    return replace(answered, talk_s=talk_s, hold_s=hold_s, wrap_up_s=wrap_up_s, done_at=done_at)


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    visit = draw(visits())
    made_at = visit.entered_at + draw(_seconds)
    outcome = draw(st.sampled_from(["accepted", "rejected", "no_answer", "busy", "caller_gone", "rescinded", "failed"]))
    return Offer(visit, draw(st.sampled_from(["ann", "bob"])), made_at, made_at + draw(_seconds), outcome)


@st.composite
def states(draw: st.DrawFn) -> AgentState:
    started_at = DAY + draw(st.floats(0.0, 86_399.0))  # between two microseconds, too
    agent_id, presence = (
        draw(st.sampled_from(["ann", "bob"])),
        draw(st.sampled_from(["available", "aux", "logged_out"])),
    )
    activity = draw(st.sampled_from(["idle", "reserved", "talking", "wrap_up"]))
    return AgentState(
        agent_id, presence, activity, started_at, min(END, started_at + draw(st.floats(0.0, 4_000.0))), f"c{started_at}"
    )


records: st.SearchStrategy[list[Record]] = st.lists(st.one_of(visits(), offers(), states()), max_size=30)
by_any = st.sampled_from(list(By))
views = st.sampled_from(list(View))


@given(records, by_any, views, st.sampled_from(list(Interval)), st.sampled_from(ZONES))
def test_the_half_hours_sum_to_the_day_exactly(
    known: list[Record], by: By, view: View, interval: Interval, zone: ZoneInfo
) -> None:
    """T10, for every interval, group and view: counts and seconds alike, to the microsecond."""
    fine = tabulate(known, edges(DAY, END, interval, zone), by=by, view=view)
    day = tabulate(known, (DAY, END), by=by, view=view)
    summed: dict[str | None, Totals] = {}
    for (_, group), totals in fine.rows.items():
        summed.setdefault(group, Totals()).merge(totals)
    whole = {group: totals for (_, group), totals in day.rows.items()}
    assert _sums(summed) == _sums(whole)
    assert _sums({None: fine.total}) == _sums({None: day.total})
    for group, totals in summed.items():
        for metric in METRICS.values():
            assert figure(metric, totals) == figure(metric, whole[group])


def _sums(rows: dict[str | None, Totals]) -> dict[str | None, tuple[dict[str, int], list[int]]]:
    return {group: (totals.amounts, sorted(totals.waits_us)) for group, totals in rows.items()}


@given(records, by_any, views)
def test_groups_other_than_skills_share_the_total_out_without_loss(known: list[Record], by: By, view: View) -> None:
    table = tabulate(known, (DAY, END), by=by, view=view)
    summed = Totals()
    for totals in table.rows.values():
        summed.merge(totals)
    for name, quantity in QUANTITIES.items():
        everywhere = table.total.amounts.get(name, 0)
        if quantity.source is Source.STATE and by not in {By.AGENT, By.SITE}:
            assert name not in summed.amounts
        elif by is not By.SKILL:
            assert summed.amounts.get(name, 0) == everywhere


@given(records)
def test_receipts_add_up_to_their_number(known: list[Record]) -> None:
    for metric in METRICS.values():
        measured = measure(known, [metric])[metric.id]
        for part in _parts:
            number = getattr(measured, part)
            assert sum(receipt.amount for receipt in measured.behind(part)) == pytest.approx(number or 0, abs=1e-6)


@given(records)
def test_a_share_lies_between_nothing_and_everything_and_its_contacts_are_among_those_counted(
    known: list[Record],
) -> None:
    measured = measure(known)
    for metric in METRICS.values():
        if metric.unit == "share":
            found = measured[metric.id]
            assert found.value is None or 0.0 <= found.value <= 1.0, metric.id
            assert set(found.contacts("numerator")) <= set(found.contacts("denominator")), metric.id


@given(st.lists(visits(), max_size=30))
def test_every_visit_ends_in_one_way_or_waits(known: list[Visit]) -> None:
    total = tabulate(known, (DAY, END)).total.amounts
    ways = ("waiting", "answered", "abandoned", "flow_outs", "callbacks", "lost")
    assert sum(total.get(way, 0) for way in ways) == total.get("entered", 0) == len(known)
    for way in ("answered", "abandoned", "callbacks"):
        assert total.get(f"{way}_in_time", 0) <= total.get(way, 0)
    assert total.get("short_abandons", 0) <= total.get("abandoned", 0)
    assert total.get("handled", 0) <= total.get("answered", 0) + total.get("callbacks", 0)
    assert total.get("ring_s", 0) <= total.get("wait_s", 0)


@given(st.lists(visits(), max_size=30))
def test_the_rules_keep_their_order(known: list[Visit]) -> None:
    """The more a rule forgives, the better the number: that is why one is never quoted without its name."""
    value = {name: found.value for name, found in measure(known).items()}
    for strict, lenient in [
        ("sl_negative", "sl_ignore"),
        ("sl_ignore", "sl_all"),
        ("sl_negative", "sl_answered"),
        ("sl_genesys_f", "sl_genesys"),
        ("sl_genesys", "sl_genesys_s"),
        ("sl_genesys_s", "sl_genesys_b"),
        ("sl_genesys_fs", "sl_genesys_fb"),
        ("service_level", "sl_genesys_fs"),
        ("asa_without_ring_s", "asa_s"),
        ("wait_p50_s", "wait_p80_s"),
        ("wait_p90_s", "wait_p95_s"),
    ]:
        low, high = value[strict], value[lenient]
        assert low is None or high is None or low <= high, (strict, lenient)
    assert value["sl_genesys"] == value["sl_negative"]
    assert value["sl_genesys_b"] == value["sl_answered"]


@given(st.lists(st.integers(0, 100), min_size=1), st.integers(1, 100))
def test_a_percentile_is_reached_by_as_many_as_it_says_and_by_none_less(values: list[int], percent: int) -> None:
    limit, count = percentile(values, percent)
    assert limit in values
    assert count == sum(value <= limit for value in values)
    assert count * 100 >= percent * len(values)
    assert sum(value < limit for value in values) * 100 < percent * len(values)


@given(records, views)
def test_over_all_time_both_views_count_the_same(known: list[Record], view: View) -> None:
    everything = (DAY - 1e6, END + 1e6)
    seen = tabulate(known, everything, view=view).total.amounts
    assert seen == tabulate(known, everything, view=View.ENTERED).total.amounts


@given(records)
def test_what_is_measured_does_not_depend_on_the_order_of_the_records(known: list[Record]) -> None:
    assert measure(known) == measure(list(reversed(known)))


@given(records, views)
def test_the_receipts_of_an_interval_are_those_of_its_facts(known: Sequence[Record], view: View) -> None:
    half = (DAY, DAY + 43_200.0)
    among = [fact for record in known for fact in facts(record, view) if half[0] <= fact.at < half[1]]
    table = tabulate([record for record in known if not isinstance(record, AgentState)], half, view=view)
    metric = METRICS["abandonment"]
    found = figure(metric, table.total)
    assert sum(one.amount for one in receipts(metric, "denominator", among)) == found.denominator
