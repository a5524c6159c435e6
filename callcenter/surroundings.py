"""What stands around the ACD at a site, for the simulation: its trunks, its hours on one day, its rules."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from callcenter.config.site import Site
from callcenter.hours import REASON
from ivr.calendar import is_open
from routing.messages import QueueClosed, QueueOpened
from routing.requirement import Held
from routing.rules import Facts
from routing.simulate.load import Ivr, Kind
from routing.simulate.surroundings import Door, Surroundings

DAY_MINUTES: Final = 24 * 60
DRAWN: Final = "drawn"
"""The id of customers who are drawn with a tier that only a known customer has."""
EVERYWHERE: Final = ""
"""Whatever was dialed."""


def around(site: Site, day_begins: datetime) -> Surroundings:
    """The site's surroundings on the day that begins at this instant (with a time zone)."""
    return Surroundings(site.trunks, doors(site, day_begins.timestamp()), site.rules)


def doors(site: Site, start: float) -> tuple[Door, ...]:
    """When queues close and open in the day after `start`, to the minute, as calendars tell it; in order.

    A queue that is open as the day begins is not told to open.
    """
    found: list[Door] = []
    hours = {queue.hours for queue in site.queues.values() if queue.hours is not None}
    open_at = {
        name: [is_open(site.calendars[name], start + 60.0 * minute) for minute in range(DAY_MINUTES)] for name in hours
    }
    for queue in site.queues.values():
        if queue.hours is None:
            continue
        before = True
        for minute, is_now in enumerate(open_at[queue.hours]):
            if is_now != before:
                closed = QueueClosed(queue.queue, REASON, queue.closed_exit, queue.closing)
                found.append((60.0 * minute, QueueOpened(queue.queue) if is_now else closed))
            before = is_now
    return tuple(sorted(found, key=lambda door: door[0]))


def leads_to(site: Site) -> Callable[[str], tuple[str, str | None]]:
    """Where a number that was dialed leads: its hotline, and the queue of one that leads straight into it."""

    def led(dialed: str) -> tuple[str, str | None]:
        hotline = site.hotline(dialed)
        return hotline.dialed, hotline.queue

    return led


def with_facts(kinds: Sequence[Kind], site: Site) -> tuple[Kind, ...]:
    """Drawn kinds of customers with what the rules may decide by: hotline, queue, language and tier.

    Who has another tier than strangers have is a known customer, of whom nothing more is known.
    """
    return tuple(replace(kind, facts=_facts(kind, site)) for kind in kinds)


def with_ivr(kinds: Sequence[Kind], site: Site, ivr: Mapping[str, Ivr]) -> tuple[Kind, ...]:
    """Drawn kinds of customers with their time in the IVR: by the number they dialed, else its flow, else EVERYWHERE.

    Those of whom none is told stay as they are. Raises KeyError for a name that is neither a number nor a flow of one.
    """
    flows = {hotline.dialed: hotline.flow for hotline in site.hotlines.values()}
    for name in ivr.keys() - {EVERYWHERE} - flows.keys() - set(flows.values()):
        raise KeyError(name)
    found = []
    for kind in kinds:
        dialed = "" if kind.facts is None else kind.facts.dialed
        places = (dialed, flows.get(dialed) or EVERYWHERE, EVERYWHERE)
        found.append(replace(kind, ivr=next((ivr[place] for place in places if place in ivr), kind.ivr)))
    return tuple(found)


def _facts(kind: Kind, site: Site) -> Facts:
    straight = (hotline.dialed for hotline in site.hotlines.values() if hotline.queue == kind.queue)
    tier = site.value_tiers[min(kind.value_tier, len(site.value_tiers) - 1)]
    return Facts(
        dialed=next(straight, site.default_hotline),
        queue=kind.queue,
        language=kind.requires.skill if isinstance(kind.requires, Held) else site.default_language,
        value_tier=tier,
        customer_id=None if tier == site.default_value_tier else DRAWN,
    )
