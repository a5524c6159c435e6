"""What the API needs of the running call center, and nothing more; the runtime fills it, tests too."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fastapi import Request

from callcenter.clock import Clock
from callcenter.closings import Closing
from callcenter.config.site import Site
from callcenter.contact.commands import EnterQueue
from callcenter.contact.signals import CustomerCard
from callcenter.db.customer_records import CustomerRecord
from callcenter.db.queries import Queries
from callcenter.db.tokens import Tokens
from callcenter.feed.hub import Hub
from callcenter.feed.tally import Tally
from callcenter.flows import Flows
from callcenter.live_site import LiveSite
from callcenter.prompts import Prompts
from callcenter.recordings_check import State as RecordingsState
from routing.acd.explain import Explanation
from routing.acd.ladder import Ladder
from routing.acd.snapshot import Snapshot
from routing.model import Presence
from routing.waiting.estimate import Promise
from routing.waiting.forecast import Prospect


class Floor(Protocol):
    """The floor's facade; the methods that change something raise UnknownAgent(CallCenterError)."""

    def snapshot(self) -> Snapshot:
        """Queues with their waiting contacts in order, agents with their state; now."""

    def told(self, queue_max: int) -> Mapping[str, tuple[Prospect, Promise | None]]:
        """What the first contacts of every queue look forward to, and what each is told of its wait; by contact id."""

    def promise(self, contact_id: str) -> Promise | None:
        """What a waiting contact has been told of its wait; None if nothing."""

    def loans(self) -> Sequence[tuple[str, str, bool]]:
        """Every loan of the site as (borrower, lender, whether it is on)."""

    def closings(self, queue: str) -> Sequence[Closing]:
        """Why this queue is closed; none for an open queue."""

    def explain(self, contact_id: str) -> Explanation | None:
        """Why a contact in a queue is not served yet, or who is being asked; None for one that is in none."""

    def explain_entry(self, command: EnterQueue) -> tuple[Explanation, Ladder]:
        """What would happen if this contact entered now, and its reach as it waits on."""

    def log_in(self, agent_id: str) -> None:
        """The agent is at their desk and available."""

    def log_out(self, agent_id: str) -> None:
        """The agent leaves; while they talk or wrap up, afterwards."""

    def choose_presence(self, agent_id: str, presence: Presence, aux_code: str | None) -> None:
        """The agent takes a break or comes back; while they talk or wrap up, afterwards."""


class CustomerCards(Protocol):
    """Who our customers are, from memory."""

    @property
    def loaded(self) -> bool:
        """Whether they have been read at all."""

    def find(self, caller: str) -> CustomerCard | None:
        """The customer with this E.164 number, or None."""

    def card(self, customer_id: str) -> CustomerCard | None:
        """The customer of this id, or None."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the system and how it is; the service is ready when every `required` part is `ok`."""

    name: str
    ok: bool
    required: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Health:
    """How the call center is, now. `writer_lag_s` is the age of the oldest event not yet in PostgreSQL, 0 if none.

    `audit_findings` is what the last `callcenter audit events` found; None if there was none yet. `contacts_lost` were
    closed at the start, their state being lost. `drift_mended`: what was lost on a healthy connection.
    `listenings`: how many were started since the start, and how they ended.
    """

    parts: Sequence[Part]
    contacts_by_phase: dict[str, int]
    journal_backlog: int
    writer_lag_s: float
    ari_up: bool
    audit_findings: int | None = None
    recordings: RecordingsState = field(default_factory=RecordingsState)
    contacts_lost: int = 0
    drift_mended: int = 0
    listenings: Mapping[str, int] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether callers can be served."""
        return all(part.ok for part in self.parts if part.required)


@dataclass(frozen=True, slots=True)
class Backend:
    """The running call center, as the API sees it. `site` answers the site of now; it may be replaced while we run.

    `store_customers` is `store_records` on this call center's database.
    """

    clock: Clock
    site: Callable[[], Site]
    queries: Queries
    tokens: Tokens
    floor: Floor
    hub: Hub
    health: Callable[[], Health]
    recordings_dir: Path
    live_site: LiveSite
    flows: Flows
    prompts: Prompts
    customers: CustomerCards
    store_customers: Callable[[Sequence[CustomerRecord]], Awaitable[None]]
    trunks_in_use: Callable[[], int]
    tally: Tally
    second_recordings_dir: Path | None = None


def backend_of(request: Request) -> Backend:
    """The backend that `create_app` was given."""
    backend = request.app.state.backend
    assert isinstance(backend, Backend)
    return backend
