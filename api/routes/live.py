"""GET live: a snapshot at a position, then every event after it, resumed by Last-Event-ID (server-sent events)."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter, Depends, Header, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from api.auth import Permission, Viewer, bearer, viewer_of
from api.backend import Backend
from api.live_views import snapshot_for
from api.masking import AgentFeed
from api.problems import Problem
from api.routes.common import NO_QUERY, BackendNow, LiveViewer, problems
from api.schemas import instant
from callcenter.errors import DatabaseError
from callcenter.feed.hub import Committed, FeedClosed, Resync, Subscription

TOKEN_RECHECK_S: Final = 30.0

router = APIRouter(prefix="/v1/live", tags=["live"], dependencies=[NO_QUERY])


class _Wire(msgspec.Struct):
    """An event as the feed sends it: like EventBody, with `data` passed on unread where nothing is masked."""

    position: int
    event_id: str
    stream: str
    seq: int
    at: datetime
    type: str
    version: int
    data: msgspec.Raw
    site: str
    cause: str


def subscribed(
    backend: BackendNow,
    _: LiveViewer,
    last_event_id: Annotated[int | None, Header(ge=0, description="The position to resume after")] = None,
) -> Iterator[Subscription]:
    """A place in the feed for as long as the answer lasts; raises FeedFull or FeedClosed."""
    with backend.hub.subscribe(last_event_id) as subscription:
        yield subscription


@router.get("", response_class=EventSourceResponse, responses=problems())
async def live(
    request: Request,
    backend: BackendNow,
    viewer: LiveViewer,
    subscription: Annotated[Subscription, Depends(subscribed)],
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `snapshot` (see Snapshot) first, then `event` (see EventBody), each with its position as id.

    With `Last-Event-ID` the events after it follow at once; if they are not at hand any more, a new `snapshot`
    comes instead. A reader too slow to keep up gets a new `snapshot` too. An agent gets the contacts in their own
    hands whole, and of the rest only what keeps the snapshot right. A comment comes every 15 s of silence.
    """
    reader = _Reader(backend, viewer, subscription)
    if "last-event-id" not in request.headers:
        yield reader.snapshot()
    recheck_at = backend.clock.now() + TOKEN_RECHECK_S
    with suppress(FeedClosed):
        while True:
            taken = await subscription.take(timeout_s=max(0.0, recheck_at - backend.clock.now()))
            if isinstance(taken, Resync):
                yield reader.snapshot()
                continue
            for event in reader.visible(taken):
                yield event
            if backend.clock.now() >= recheck_at:
                if not await _still_welcome(request, backend):
                    return
                recheck_at = backend.clock.now() + TOKEN_RECHECK_S


class _Reader:
    """One listener's view of the feed: what they may see, and what they have seen."""

    def __init__(self, backend: Backend, viewer: Viewer, subscription: Subscription) -> None:
        self._backend = backend
        self._viewer = viewer
        self._subscription = subscription
        self._narrowed = self._narrow()
        self._shown_to = -1

    def snapshot(self) -> ServerSentEvent:
        """The state of now; events in it that the subscription still has to give are not shown again."""
        body = snapshot_for(self._backend, self._viewer)
        self._shown_to = body.position
        self._narrowed = self._narrow()
        return ServerSentEvent(event="snapshot", id=str(body.position), raw_data=body.model_dump_json(), retry=2000)

    def visible(self, taken: Sequence[Committed]) -> Iterator[ServerSentEvent]:
        """What this viewer may see of these events."""
        for event in taken:
            data: bytes | None = event.entry.data
            if self._narrowed is not None:
                seen = self._narrowed.seen(event.entry)
                data = None if seen is None else msgspec.json.encode(seen)
            if data is not None and event.position > self._shown_to:
                yield _event(event, msgspec.Raw(data))

    def _narrow(self) -> AgentFeed | None:
        own = self._viewer.own
        return AgentFeed(own, self._subscription.past()) if own else None


async def _still_welcome(request: Request, backend: Backend) -> bool:
    """Whether the token is still good; a database that is away revokes nothing."""
    credentials = await bearer(request)
    if credentials is None:
        return False
    try:
        return await viewer_of(backend, credentials.credentials, Permission.LIVE_READ) is not None
    except DatabaseError:
        return True
    except Problem:
        return False


def _event(event: Committed, data: msgspec.Raw) -> ServerSentEvent:
    entry = event.entry
    wire = _Wire(
        position=event.position,
        event_id=f"{entry.stream}/{entry.seq}",
        stream=entry.stream,
        seq=entry.seq,
        at=instant(entry.at),
        type=entry.type,
        version=entry.version,
        data=data,
        site=entry.site,
        cause=entry.cause,
    )
    return ServerSentEvent(event="event", id=str(event.position), raw_data=msgspec.json.encode(wire).decode())
