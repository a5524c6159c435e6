"""Metrics by example: a small morning, counted by hand, under every rule; and which contacts are behind each number."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from routing.facts import ENDINGS, SETTLEMENTS, AgentState, By, Offer, View, Visit
from routing.measure import Interval, Totals, edges, figure, measure, percentile, tabulate
from routing.metrics import METRICS, QUANTITIES, Source, Sum, chosen

NINE = datetime(2026, 11, 20, 9, 0, tzinfo=UTC).timestamp()
HALF_HOURS = edges(NINE, NINE + 3600.0, Interval.HALF_HOUR, ZoneInfo("UTC"))
SITE = ZoneInfo("Asia/Taipei")


def answered(contact_id: str, wait_s: float, *, entered_at: float = NINE, ring_s: float = 2.0) -> Visit:
    left_at = entered_at + wait_s
    return Visit(
        contact_id, "orders", entered_at, "vip", "0800", "en", ("en", "orders"), "answered", left_at, wait_s, ring_s,
        "ann", talk_s=100.0, hold_s=20.0, wrap_up_s=10.0, done_at=left_at + 130.0,
    )  # fmt: skip


def left(contact_id: str, outcome: str, wait_s: float, *, entered_at: float = NINE) -> Visit:
    return Visit(contact_id, "orders", entered_at, "basic", "0800", "en", ("en",), outcome, entered_at + wait_s, wait_s)


# Ten contacts enter: four answered (three in time), three give up (one shortly, two in time), one flows out, one takes
# a callback in time, one waits still.
MORNING = (
    answered("a1", 5.0),
    answered("a2", 10.0),
    answered("a3", 20.0),
    answered("a4", 45.0),
    left("b1", "abandoned", 4.0),
    left("b2", "abandoned", 15.0),
    left("b3", "abandoned", 60.0),
    left("f1", "diverted", 12.0),
    left("c1", "callback", 8.0),
    Visit("w1", "orders", NINE + 100.0),
)


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("sl_answered", 3 / 4),
        ("sl_all", (3 + 2) / 7),
        ("sl_ignore", 3 / 5),
        ("sl_negative", 3 / 7),
        ("sl_genesys", 3 / 7),
        ("sl_genesys_f", 3 / 8),
        ("sl_genesys_s", 3 / 6),
        ("sl_genesys_fs", 3 / 7),
        ("sl_genesys_b", 3 / 4),
        ("sl_genesys_fb", 3 / 5),
        ("sl_removed", (3 + 2 + 1) / 10),
        ("service_level", 3 / 9),
        ("asa_s", 80.0 / 4),
        ("asa_without_ring_s", 72.0 / 4),
        ("abandon_rate", 3 / 10),
        ("abandonment", 2 / 9),
        ("aht_s", 130.0),
        ("wait_p50_s", 10.0),
        ("wait_p80_s", 45.0),
        ("wait_p95_s", 45.0),
        ("entered", 10),
        ("waiting", 1),
        ("flow_outs", 1),
        ("callbacks", 1),
        ("lost", 0),
    ],
)
def test_each_rule_gives_its_own_number_for_the_same_morning(metric: str, value: float) -> None:
    measured = measure(MORNING)[metric]
    assert measured.value == pytest.approx(value, abs=1e-12)
    assert (measured.id, measured.version) == (metric, 1)


def test_a_number_names_its_rule_in_both_languages() -> None:
    assert measure(MORNING)["sl_all"].formula == "(answered_in_time + abandoned_in_time) ÷ (answered + abandoned)"
    assert METRICS["sl_all"].formula("zh-TW") == "(時限內接聽 + 時限內放棄) ÷ (接聽 + 放棄)"
    assert METRICS["service_level"].formula() == "answered_in_time ÷ (entered − short_abandons)"
    assert METRICS["wait_p90_s"].formula() == "P90(wait_s)"
    assert METRICS["lost"].formula() == "lost"


def test_a_number_lists_the_contacts_behind_it() -> None:
    measured = measure(MORNING)
    assert measured["sl_all"].contacts("numerator") == ("a1", "a2", "a3", "b1", "b2")
    assert set(measured["sl_all"].contacts("denominator")) == {"a1", "a2", "a3", "a4", "b1", "b2", "b3"}
    assert "b1" not in measured["service_level"].contacts("denominator"), "a short abandon is taken away again"
    assert len(measured["service_level"].contacts("denominator")) == 9
    assert [receipt.amount for receipt in measured["asa_s"].behind("numerator")] == [5.0, 10.0, 20.0, 45.0]
    assert measured["wait_p50_s"].contacts("numerator") == ("a1", "a2")
    assert measured["entered"].contacts("denominator") == ()


def test_nothing_to_divide_by_is_no_value_and_never_zero() -> None:
    for metric in METRICS.values():
        found = figure(metric, Totals())
        assert found.value == (None if metric.denominator else 0)


def test_the_threshold_itself_is_in_time_and_a_short_abandon_too() -> None:
    found = measure([answered("a", 20.0), left("b", "abandoned", 5.0)])
    assert found["answered_in_time"].value == 1
    assert found["short_abandons"].value == 1
    late = measure([answered("a", 20.000001), left("b", "abandoned", 5.000001)])
    assert late["answered_in_time"].value == late["short_abandons"].value == 0


def test_each_visit_is_judged_by_the_thresholds_it_brings() -> None:
    strict = replace(answered("a", 15.0), answer_in_s=10.0)
    patient = replace(left("b", "abandoned", 8.0), short_abandon_s=10.0)
    found = measure([strict, patient])
    assert found["answered_in_time"].value == 0
    assert found["short_abandons"].value == 1


def test_who_is_still_talking_counts_as_answered_and_not_yet_as_handled() -> None:
    talking = replace(answered("a", 5.0), talk_s=0.0, hold_s=0.0, wrap_up_s=0.0, done_at=None)
    found = measure([talking])
    assert (found["answered"].value, found["handled"].value, found["aht_s"].value) == (1, 0, None)


@pytest.mark.parametrize("outcome", ["fallback", "failed", "system", "something new"])
def test_a_visit_that_ends_in_no_known_way_is_our_failure_and_no_abandon(outcome: str) -> None:
    found = measure([left("x", outcome, 3.0)])
    assert (found["lost"].value, found["abandoned"].value, found["flow_outs"].value) == (1, 0, 0)


OFFERS = tuple(
    Offer(MORNING[0], agent_id, NINE + 1.0, NINE + 5.0, outcome)
    for agent_id, outcome in [
        ("ann", "accepted"),
        ("ann", "accepted"),
        ("bob", "no_answer"),
        ("bob", "rejected"),
        ("cid", "caller_gone"),
        ("cid", "rescinded"),
        ("cid", "failed"),
    ]
)


def test_agent_non_response_is_told_with_and_without_callers_who_hung_up() -> None:
    found = measure(OFFERS)
    assert found["agent_non_response"].value == 3 / 5
    assert found["agent_non_response_without_caller_gone"].value == 2 / 4
    assert found["offers_withdrawn"].value == 2, "the other phone was faster, or ours was the fault: nobody missed it"
    rows = tabulate(OFFERS, HALF_HOURS, by=By.AGENT).rows
    assert figure(METRICS["agent_non_response"], rows[0, "bob"]).value == 1.0
    assert figure(METRICS["agent_non_response_without_caller_gone"], rows[0, "cid"]).value is None


STATES = (
    AgentState("ann", "available", "idle", NINE, NINE + 600.0),
    AgentState("ann", "available", "reserved", NINE + 600.0, NINE + 660.0, "a1"),
    AgentState("ann", "available", "talking", NINE + 660.0, NINE + 2460.0, "a1"),
    AgentState("ann", "available", "wrap_up", NINE + 2460.0, NINE + 2520.0, "a1"),
    AgentState("ann", "aux", "idle", NINE + 2520.0, NINE + 3600.0),
    AgentState("bob", "logged_out", "idle", NINE, NINE + 3600.0),
)


def test_occupancy_is_told_with_ringing_as_busy_and_without_ringing() -> None:
    found = measure(STATES)
    assert found["occupancy"].value == 1920.0 / 2520.0
    assert found["occupancy_without_ring"].value == 1860.0 / 2460.0
    assert found["occupancy"].contacts("numerator") == ("a1",)


def test_a_state_is_shared_out_to_the_half_hours_it_lasts() -> None:
    rows = tabulate(STATES, HALF_HOURS, by=By.AGENT).rows
    assert rows[0, "ann"].amounts["agent_talking_s"] == 1_140_000_000
    assert rows[1, "ann"].amounts["agent_talking_s"] == 660_000_000
    assert (0, "bob") not in rows, "who is logged out is not idle"


def test_an_answer_belongs_to_the_half_hour_of_enqueue_or_of_the_event_as_asked() -> None:
    late = answered("a", 45.0, entered_at=NINE + 1790.0)
    entered = tabulate([late], HALF_HOURS, view=View.ENTERED).rows
    assert entered[0, None].amounts["answered"] == entered[0, None].amounts["handled"] == 1
    assert (1, None) not in entered
    event = tabulate([late], HALF_HOURS, view=View.EVENT).rows
    assert event[0, None].amounts == {"entered": 1}
    assert event[1, None].amounts["answered"] == 1


def test_by_event_a_share_of_less_than_nobody_is_no_value() -> None:
    late = left("b", "abandoned", 4.0, entered_at=NINE + 1799.0)
    event = tabulate([late], HALF_HOURS, view=View.EVENT).rows
    assert figure(METRICS["abandonment"], event[1, None]).value is None


@pytest.mark.parametrize(
    ("by", "groups"),
    [
        (By.SITE, {None: 2}),
        (By.QUEUE, {"orders": 2}),
        (By.AGENT, {"ann": 1, None: 1}),
        (By.SKILL, {"en": 2, "orders": 1}),
        (By.VALUE_TIER, {"vip": 1, "basic": 1}),
        (By.DIALED, {"0800": 2}),
        (By.LANGUAGE, {"en": 2}),
    ],
)
def test_visits_are_grouped_by_what_is_asked(by: By, groups: dict[str | None, int]) -> None:
    table = tabulate((answered("a", 1.0), left("b", "abandoned", 9.0)), HALF_HOURS, by=by)
    assert {group: row.amounts["entered"] for (_, group), row in table.rows.items()} == groups
    assert table.total.amounts["entered"] == 2, "in the total each once"


def test_the_time_of_agents_has_no_queue() -> None:
    table = tabulate(STATES, HALF_HOURS, by=By.QUEUE)
    assert table.rows == {}
    assert table.total.amounts["agent_idle_s"] == 600_000_000


def test_half_hours_turn_with_the_local_clock_and_days_at_local_midnight() -> None:
    at = datetime(2026, 11, 20, 9, 10, tzinfo=SITE).timestamp()
    found = edges(at, at + 3600.0, Interval.HALF_HOUR, SITE)
    assert [datetime.fromtimestamp(edge, SITE).strftime("%H:%M") for edge in found] == [
        "09:10", "09:30", "10:00", "10:10",
    ]  # fmt: skip
    kathmandu = ZoneInfo("Asia/Kathmandu")  # 5:45 ahead
    found = edges(at, at + 86_400.0, Interval.HOUR, kathmandu)
    assert {datetime.fromtimestamp(edge, kathmandu).minute for edge in found[1:-1]} == {0}
    days = edges(at, at + 3 * 86_400.0, Interval.DAY, SITE)
    assert [datetime.fromtimestamp(edge, SITE).strftime("%d %H:%M") for edge in days] == [
        "20 09:10", "21 00:00", "22 00:00", "23 00:00", "23 09:10",
    ]  # fmt: skip
    assert edges(at, at + 60.0, None, SITE) == (at, at + 60.0)


def test_a_day_of_25_hours_has_fifty_half_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 10, 25, tzinfo=berlin).timestamp()
    end = datetime(2026, 10, 26, tzinfo=berlin).timestamp()
    assert edges(start, end, Interval.DAY, berlin) == (start, end)
    assert len(edges(start, end, Interval.HALF_HOUR, berlin)) == 51


def test_a_percentile_is_a_wait_that_somebody_really_had() -> None:
    assert percentile([40, 10, 30, 20], 50) == (20, 2)
    assert percentile([40, 10, 30, 20], 51) == (30, 3)
    assert percentile([7, 7, 7], 50) == (7, 3)
    assert percentile([], 50) == (None, 0)


def test_every_formula_is_made_of_quantities_of_one_kind() -> None:
    for metric in METRICS.values():
        names = [name for total in (metric.numerator, metric.denominator) if total for _, name in total.terms]
        assert len({QUANTITIES[name].source for name in names}) == 1, metric.id
        for total in (metric.numerator, metric.denominator):
            assert total is None or len({QUANTITIES[name].is_time for _, name in total.terms}) == 1, metric.id


def test_every_outcome_counts_in_a_quantity_that_exists() -> None:
    assert {*ENDINGS.values(), *SETTLEMENTS.values()} <= QUANTITIES.keys()


def test_the_catalogue_speaks_both_languages_and_refuses_unknown_names() -> None:
    assert all(metric.en and metric.zh for metric in METRICS.values())
    assert len({quantity.zh for quantity in QUANTITIES.values() if quantity.source is Source.VISIT}) == 17
    assert [metric.id for metric in chosen(["asa_s", "sl_all"])] == ["sl_all", "asa_s"]
    with pytest.raises(KeyError):
        chosen(["sl_all", "sl_best"])
    with pytest.raises(AssertionError):
        Sum.of("entered - nobody")


def test_the_documentation_shows_the_formulas_that_are_computed() -> None:
    documented = (Path(__file__).parents[2] / "docs/reports.md").read_text()
    for metric in METRICS.values():
        shown = f"| `{metric.id}` | {metric.formula()} | {metric.en} |"
        assert f"`{metric.id}`" in documented
        assert metric.denominator is None or metric.percent or shown in documented, shown
