"""What the operator decided, as far as a contact needs it: a frozen view of the site."""

from collections.abc import Mapping
from dataclasses import dataclass

from ivr.calendar import Calendar
from ivr.model import Flow


@dataclass(frozen=True, slots=True)
class HotlinePlan:
    """What happens when this number is dialed: a flow, or straight into a queue (with an announcement)."""

    dialed: str
    flow: str | None
    queue: str | None
    language: str
    announcement: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """How contacts wait in a queue and what becomes of them. `recording` is always or never."""

    queue: str
    needs: Mapping[str, int]
    music_class: str = "default"
    wrap_up_s: float = 15.0
    recording: str = "always"


@dataclass(frozen=True, slots=True)
class Plan:
    """The site as one value; `site` is its digest and goes into every event.

    `tiers` maps a value tier's name to its rank, 0 highest. A contact needs the queue's skills and, besides, the
    skill named like the language it is served in.
    """

    site: str
    hotlines: Mapping[str, HotlinePlan]
    queues: Mapping[str, QueuePlan]
    flows: Mapping[str, Flow]
    calendars: Mapping[str, Calendar]
    tiers: Mapping[str, int]
    default_tier: str
    languages: tuple[str, ...]
