"""What a flow may refer to."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ivr.model import Flow, FlowId, Language, PromptId
from ivr.reading import no_such


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The names there are. None: not known (its file was unreadable), so nothing is said about it.

    `flows` are all that could be read, for sub-flows; `unread` those that are there but could not be.
    """

    languages: Collection[Language] | None
    value_tiers: Collection[str] | None
    queues: Collection[str] | None
    calendars: Collection[str] | None
    prompts: Mapping[Language, Collection[PromptId]]
    flows: Mapping[FlowId, Flow] = field(default_factory=dict)
    unread: Collection[FlowId] = ()
    agents: Collection[str] | None = None


def unknown(at: str, kind: str, names: Iterable[str], known: Collection[str] | None) -> Iterator[str]:
    """A mistake for each name that is not known; empty names are passed over, for they are said to be missing."""
    for name in names:
        if name and known is not None and name not in known:
            yield f"{at}: {no_such(kind, name, known)}"
