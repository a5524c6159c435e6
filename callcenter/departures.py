"""Who gave up or was cut off and may come back: kept in the journal, so that a restart of ours costs nobody their age.

A customer who is back keeps the right to it until their contact is served or ends: were we to die meanwhile, the
contact would enter anew, and must find it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from callcenter.ports import StateChange
from routing import messages as acd
from routing.acd.comeback import Departed
from routing.model import Outcome

log = structlog.get_logger()

PREFIX: Final = "departed/"

_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Departed).decode


class Departures:
    """Makes states of the journal of what the ACD remembers of departed customers."""

    def __init__(self) -> None:
        self._taken_up: dict[str, str] = {}  # contact → the customer who came back with it

    def restored(self, states: Mapping[str, bytes], since: float) -> tuple[tuple[Departed, ...], list[StateChange]]:
        """Who left after `since`, the longest gone first; and what is to be forgotten of all others."""
        known: list[Departed] = []
        gone: list[StateChange] = []
        for stream, state in states.items():
            if stream.startswith(PREFIX):
                departed = _read(stream, state)
                if departed is not None and departed.left_at >= since:
                    known.append(departed)
                else:
                    gone.append(StateChange(stream, None))
        return tuple(sorted(known, key=lambda each: (each.left_at, each.customer_id))), gone

    def changes(
        self, given: acd.Input, decisions: Iterable[acd.Decision], changed: Mapping[str, Departed | None]
    ) -> Sequence[StateChange]:
        """What to save after a step of the ACD, which `changed` this of its customers."""
        saved: dict[str, Departed | None] = {}
        for customer_id, departed in changed.items():
            if departed is None and isinstance(given, acd.Entered) and given.customer_id == customer_id:
                self._taken_up[given.contact_id] = customer_id
            else:
                saved[customer_id] = departed
        for contact_id in _over(given, decisions) if self._taken_up else ():
            back = self._taken_up.pop(contact_id, None)
            if back is not None:
                saved.setdefault(back, None)
        return [StateChange(PREFIX + who, None if left is None else _encode(left)) for who, left in saved.items()]


def _over(given: acd.Input, decisions: Iterable[acd.Decision]) -> list[str]:
    """The contacts that do not wait any more after this."""
    over = [each.contact_id for each in decisions if isinstance(each, acd.Diverted)]
    if isinstance(given, acd.Left):
        over.append(given.contact_id)
    elif isinstance(given, acd.OfferSettled) and given.outcome in {Outcome.ACCEPTED, Outcome.CALLER_GONE}:
        over.append(given.offer_id.rpartition(".")[0])
    return over


def _read(stream: str, state: bytes) -> Departed | None:
    try:
        return _decode(state)
    except msgspec.MsgspecError:
        log.exception("a departed customer of another version is forgotten", stream=stream)
        return None
