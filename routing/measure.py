"""What the center did, in numbers with receipts: facts added up by interval and group, and metrics made of the sums.

Theory. A metric is a formula over sums of facts (`routing.metrics`), never over other metrics: the day's service level
is made of the day's sums, not of its half-hours' service levels. The facts behind a sum are its receipt: they name the
contacts, and their amounts add up to the number. An empty denominator makes no value, never 0 ÷ 0.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias, assert_never
from zoneinfo import ZoneInfo

from routing.facts import US_PER_S, AgentState, By, Fact, Offer, Record, View, Visit, facts, groups, split
from routing.metrics import METRICS, Metric, Sum


class Interval(StrEnum):
    """How long a row's interval is; by the local clock, so that days begin at midnight."""

    QUARTER = "15m"
    HALF_HOUR = "30m"
    HOUR = "1h"
    DAY = "1d"


_INTERVAL_S: Mapping[Interval, int] = {Interval.QUARTER: 900, Interval.HALF_HOUR: 1800, Interval.HOUR: 3600}


def edges(start_at: float, end_at: float, interval: Interval | None, zone: ZoneInfo) -> tuple[float, ...]:
    """The instants between which the rows of a report lie: `start_at`, every turn of the local clock, `end_at`."""
    assert start_at < end_at
    found = [start_at]
    while interval is not None and (turn := _next_turn(found[-1], interval, zone)) < end_at:
        found.append(turn)
    return (*found, end_at)


def _next_turn(at: float, interval: Interval, zone: ZoneInfo) -> float:
    local = datetime.fromtimestamp(at, UTC).astimezone(zone)
    if interval is Interval.DAY:
        return datetime.combine(local.date() + timedelta(days=1), time(), zone).timestamp()
    offset = local.utcoffset()
    assert offset is not None
    length_s = _INTERVAL_S[interval]
    ahead_s = offset.total_seconds()
    return ((at + ahead_s) // length_s + 1) * length_s - ahead_s


# ---- Sums ----


@dataclass(slots=True)
class Totals:
    """Quantities added up, by name; and the waits of the answered in microseconds, which percentiles need."""

    amounts: dict[str, int] = field(default_factory=dict)
    waits_us: list[int] = field(default_factory=list)

    def add(self, fact: Fact) -> None:
        """One fact more."""
        self.amounts[fact.quantity] = self.amounts.get(fact.quantity, 0) + fact.amount
        if fact.quantity == "wait_s":
            self.waits_us.append(fact.amount)

    def merge(self, other: "Totals") -> None:
        """All that `other` counted, too."""
        for name, amount in other.amounts.items():
            self.amounts[name] = self.amounts.get(name, 0) + amount
        self.waits_us += other.waits_us

    def sum(self, wanted: Sum) -> int:
        """What the sum comes to; microseconds for times."""
        return sum(sign * self.amounts.get(name, 0) for sign, name in wanted.terms)


Cell: TypeAlias = tuple[int, str | None]
"""Which interval (0 the first), and which group."""


@dataclass(slots=True)
class Table:
    """Totals by interval and group, and of everything, each record once."""

    rows: dict[Cell, Totals] = field(default_factory=dict)
    total: Totals = field(default_factory=Totals)


def tabulate(records: Iterable[Record], at: Sequence[float], *, by: By = By.SITE, view: View = View.ENTERED) -> Table:
    """The records added up between the edges `at`; facts outside them are left out."""
    table = Table()
    for fact in _facts_within(records, at, view):
        table.total.add(fact)
        interval = bisect_right(at, fact.at) - 1
        for group in groups(fact.record, by):
            table.rows.setdefault((interval, group), Totals()).add(fact)
    return table


def _facts_within(records: Iterable[Record], at: Sequence[float], view: View) -> Iterator[Fact]:
    for record in records:
        for part in split(record, at) if isinstance(record, AgentState) else (record,):
            yield from (fact for fact in facts(part, view) if at[0] <= fact.at < at[-1])


# ---- Metrics ----


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric's value, and the two numbers it is made of; times in seconds. None: there is nothing to divide by."""

    value: float | None
    numerator: float
    denominator: float | None


def figure(metric: Metric, totals: Totals) -> Figure:
    """The metric by its formula, from sums."""
    above = _number(totals.sum(metric.numerator), metric.numerator)
    if metric.percent is not None:
        limit_us, count = percentile(totals.waits_us, metric.percent)
        return Figure(None if limit_us is None else limit_us / US_PER_S, count, len(totals.waits_us))
    if metric.denominator is None:
        return Figure(above, above, None)
    below = _number(totals.sum(metric.denominator), metric.denominator)
    # By event, a short abandon may fall into an interval that nobody entered: below zero there is no share.
    return Figure(above / below if below > 0 else None, above, below)


def percentile(values: Sequence[int], percent: int) -> tuple[int | None, int]:
    """The least value that at least `percent` of all do not exceed, and how many don't; (None, 0) of nothing.

    Nearest rank: Hyndman and Fan (1996), definition 1.
    """
    if not values:
        return None, 0
    ordered = sorted(values)
    found = ordered[-(-len(ordered) * percent // 100) - 1]
    return found, bisect_right(ordered, found)


Part: TypeAlias = Literal["numerator", "denominator"]


class Receipt(NamedTuple):
    """What one record gave to a number: so much (times in seconds), for this contact, at this agent, since then."""

    contact_id: str | None
    agent_id: str | None
    at: float
    amount: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric with its receipts: `behind("numerator")` lists the records whose amounts add up to that number."""

    id: str
    version: int
    formula: str
    value: float | None
    numerator: float
    denominator: float | None
    behind: Callable[[Part], tuple[Receipt, ...]] = field(compare=False)

    def contacts(self, part: Part) -> tuple[str, ...]:
        """The contacts behind the number, each once."""
        return tuple(dict.fromkeys(one.contact_id for one in self.behind(part) if one.contact_id is not None))


def measure(records: Iterable[Record], metrics: Iterable[Metric] = tuple(METRICS.values())) -> dict[str, Measured]:
    """Every metric of these records together, by id, each with its receipts."""
    known: list[Fact] = []
    totals = Totals()
    for record in records:
        for fact in facts(record):
            known.append(fact)
            totals.add(fact)

    def measured(metric: Metric) -> Measured:
        found = figure(metric, totals)
        return Measured(
            metric.id, metric.version, metric.formula(), found.value, found.numerator, found.denominator,
            lambda part: receipts(metric, part, known),
        )  # fmt: skip

    return {metric.id: measured(metric) for metric in metrics}


def receipts(metric: Metric, part: Part, known: Sequence[Fact]) -> tuple[Receipt, ...]:
    """The records behind one number of a metric, in the order of `known`; their amounts add up to the number.

    A record that is added and taken away again (a short abandon, in entered − short_abandons) is not behind it.
    """
    if metric.percent is not None:
        waits = [fact for fact in known if fact.quantity == "wait_s"]
        limit_us, _ = percentile([fact.amount for fact in waits], metric.percent)
        within = [fact for fact in waits if part == "denominator" or (limit_us is not None and fact.amount <= limit_us)]
        return tuple(_receipt(fact.record, 1) for fact in within)
    wanted = metric.numerator if part == "numerator" else metric.denominator
    if wanted is None:
        return ()
    signs = {name: sign for sign, name in wanted.terms}
    net: dict[Record, int] = {}
    for fact in known:
        if fact.quantity in signs:
            net[fact.record] = net.get(fact.record, 0) + signs[fact.quantity] * fact.amount
    is_time = wanted.is_time
    return tuple(_receipt(record, _number(amount, wanted)) for record, amount in net.items() if is_time or amount)


def _receipt(record: Record, amount: float) -> Receipt:
    match record:
        case Visit():
            at = record.entered_at
        case Offer():
            at = record.made_at
        case AgentState():
            at = record.started_at
        case _:
            assert_never(record)
    return Receipt(record.contact_id, record.agent_id, at, amount)


def _number(amount: int, of: Sum) -> float:
    return amount / US_PER_S if of.is_time else amount
