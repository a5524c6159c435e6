"""The presence that an agent chose last: it survives a restart of ours."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from routing.model import Presence


@dataclass(frozen=True, slots=True)
class ChosenPresence:
    """What survives a restart of an agent: the presence they chose last."""

    presence: Presence
    aux_code: str | None


def presences_in(states: Mapping[str, bytes]) -> dict[str, ChosenPresence]:
    """The presences that the journal keeps, by agent."""
    return {
        stream.removeprefix("agent/"): msgspec.json.decode(state, type=ChosenPresence)
        for stream, state in states.items()
        if stream.startswith("agent/")
    }
