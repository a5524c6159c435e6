"""What a demo came to, in numbers that two computations can agree on exactly: counts, and whole microseconds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

SHORT_ABANDON_S: Final = 5.0
SERVICE_LEVEL_RULE: Final = "answered in time ÷ (entered − abandoned within 5 s)"
US_PER_S: Final = 1_000_000


def microseconds(*durations_s: float) -> int:
    """The sum of durations in whole microseconds, rounded as PostgreSQL rounds a numeric."""
    exact = sum((Decimal(repr(duration_s)) for duration_s in durations_s), Decimal(0)) * US_PER_S
    return int(exact.to_integral_value(ROUND_HALF_UP))


@dataclass(slots=True)
class Group:
    """Contacts that entered a queue, together: those of one queue, of one value tier, or all.

    `abandoned` includes `short_abandons`. `wait_us` and `handled_us` (talk, hold and wrap-up) are sums over the
    answered ones, in microseconds.
    """

    entered: int = 0
    answered: int = 0
    answered_in_time: int = 0
    abandoned: int = 0
    short_abandons: int = 0
    wait_us: int = 0
    handled_us: int = 0

    @property
    def asa_s(self) -> float | None:
        """Mean wait of the answered contacts; None if there are none."""
        return self.wait_us / self.answered / US_PER_S if self.answered else None

    @property
    def aht_s(self) -> float | None:
        """Mean talk, hold and wrap-up of the answered contacts; None if there are none."""
        return self.handled_us / self.answered / US_PER_S if self.answered else None

    @property
    def service_level(self) -> float | None:
        """By SERVICE_LEVEL_RULE, 0…1; None if the rule has nothing to divide by."""
        counted = self.entered - self.short_abandons
        return self.answered_in_time / counted if counted else None

    @property
    def service_level_so_far(self) -> float | None:
        """The same of those whose wait is over; what `service_level` is when nobody waits any more."""
        counted = self.answered + self.abandoned - self.short_abandons
        return self.answered_in_time / counted if counted else None


@dataclass(slots=True)
class Figures:
    """A demo in numbers. `whole` contacts have all the events that their last event says they have."""

    contacts: int = 0
    events: int = 0
    whole: int = 0
    end_states: dict[str, int] = field(default_factory=dict)
    offers: dict[str, int] = field(default_factory=dict)
    queues: dict[str, Group] = field(default_factory=dict)
    tiers: dict[str, Group] = field(default_factory=dict)
    total: Group = field(default_factory=Group)

    @property
    def served(self) -> int:
        """Contacts that talked with an agent."""
        return self.end_states.get("agent", 0)

    @property
    def abandoned(self) -> int:
        """Contacts whose caller hung up before an agent answered, in a flow or in a queue."""
        return self.end_states.get("abandoned_queue", 0) + self.end_states.get("abandoned_ivr", 0)

    @property
    def failed(self) -> int:
        """Contacts that we could not serve to the end."""
        return self.end_states.get("failed", 0)

    @property
    def ended(self) -> int:
        """Contacts that are over, wrap-up included."""
        return sum(self.end_states.values())


def differences(summary: Figures, recount: Figures) -> list[str]:
    """Every figure that is not the same, each with its path and both values."""
    ours, theirs = dict(_flat(summary)), dict(_flat(recount))
    return [
        f"{path}: summary {ours.get(path, 0)}, recount {theirs.get(path, 0)}"
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path, 0) != theirs.get(path, 0)
    ]


def as_data(figures: Figures) -> dict[str, Any]:
    """The figures for programs; durations in seconds."""
    return {
        "contacts": figures.contacts,
        "events": figures.events,
        "served": figures.served,
        "abandoned": figures.abandoned,
        "failed": figures.failed,
        "end_states": dict(sorted(figures.end_states.items())),
        "offers": dict(sorted(figures.offers.items())),
        "total": _group_data(figures.total),
        "queues": {name: _group_data(group) for name, group in sorted(figures.queues.items())},
        "value_tiers": {name: _group_data(group) for name, group in sorted(figures.tiers.items())},
    }


def _group_data(group: Group) -> dict[str, float | int | None]:
    return {
        "entered": group.entered,
        "answered": group.answered,
        "answered_in_time": group.answered_in_time,
        "abandoned": group.abandoned,
        "short_abandons": group.short_abandons,
        "service_level": group.service_level,
        "asa_s": group.asa_s,
        "aht_s": group.aht_s,
    }


def _flat(value: Figures | Group | Mapping[str, Any], path: str = "") -> Iterator[tuple[str, int]]:
    named = value.items() if isinstance(value, Mapping) else ((f.name, getattr(value, f.name)) for f in fields(value))
    for name, inner in named:
        where = f"{path}.{name}" if path else name
        if isinstance(inner, int):
            yield where, inner
        else:
            yield from _flat(inner, where)
