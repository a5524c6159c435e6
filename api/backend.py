"""What the API needs of the running call center, and nothing more; the runtime fills it, tests too."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fastapi import Request

from callcenter.clock import Clock
from callcenter.config.site import Site
from callcenter.db.queries import Queries
from callcenter.db.tokens import Tokens
from callcenter.feed.hub import Hub
from routing.model import Presence
from routing.snapshot import Snapshot


class Floor(Protocol):
    """The floor's facade; the methods that change something raise UnknownAgent(CallCenterError)."""

    def snapshot(self) -> Snapshot:
        """Queues with their waiting contacts in order, agents with their state; now."""

    def log_in(self, agent_id: str) -> None:
        """The agent is at their desk and available."""

    def log_out(self, agent_id: str) -> None:
        """The agent leaves; while they talk or wrap up, afterwards."""

    def choose_presence(self, agent_id: str, presence: Presence, aux_code: str | None) -> None:
        """The agent takes a break or comes back; while they talk or wrap up, afterwards."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the system and how it is; the service is ready when every `required` part is `ok`."""

    name: str
    ok: bool
    required: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Health:
    """How the call center is, now. `writer_lag_s` is the age of the oldest event not yet in PostgreSQL, 0 if none."""

    parts: Sequence[Part]
    contacts_by_phase: dict[str, int]
    journal_backlog: int
    writer_lag_s: float
    ari_up: bool

    @property
    def ready(self) -> bool:
        """Whether callers can be served."""
        return all(part.ok for part in self.parts if part.required)


@dataclass(frozen=True, slots=True)
class Backend:
    """The running call center, as the API sees it. `site` answers the site of now; it may be replaced while we run."""

    clock: Clock
    site: Callable[[], Site]
    queries: Queries
    tokens: Tokens
    floor: Floor
    hub: Hub
    health: Callable[[], Health]
    recordings_dir: Path


def backend_of(request: Request) -> Backend:
    """The backend that `create_app` was given."""
    backend = request.app.state.backend
    assert isinstance(backend, Backend)
    return backend
