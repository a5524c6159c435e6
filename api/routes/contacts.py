"""GET contacts: the list with filters, one contact whole, and everything we remember of it."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.cursors import FIRST, LAST, behind, opaque
from api.reads import UUID, contact_body, contact_detail, contact_for, event_body
from api.routes.common import NO_QUERY, PRINTABLE, BackendNow, ContactId, ContactsViewer, problems
from api.schemas import ContactBody, ContactDetail, ContactEvents, Page
from callcenter.db.queries import ContactCursor, ContactFilter, ContactPage

router = APIRouter(prefix="/v1/contacts", tags=["contacts"])


class ContactQuery(BaseModel):
    """Which contacts: all conditions hold together."""

    model_config = ConfigDict(extra="forbid")

    from_: AwareDatetime | None = Field(
        None, alias="from", ge=FIRST, le=LAST, description="Started at this instant or later, RFC 3339 with a zone"
    )
    to: AwareDatetime | None = Field(None, ge=FIRST, le=LAST, description="Started before this instant")
    queue: str | None = Field(None, max_length=64, pattern=PRINTABLE, description="The last queue entered")
    agent: str | None = Field(None, max_length=64, pattern=PRINTABLE, description="Id of the agent who answered")
    customer: str | None = Field(None, max_length=64, pattern=PRINTABLE, description="Id of the customer")
    caller: str | None = Field(None, max_length=32, pattern=PRINTABLE, description="E.164; write its + as %2B")
    end_state: str | None = Field(None, max_length=32, pattern=PRINTABLE)
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=200, description="next_cursor of the page before")


@router.get("", responses=problems(503))
async def contacts(
    query: Annotated[ContactQuery, Query()], backend: BackendNow, viewer: ContactsViewer
) -> Page[ContactBody]:
    """Contacts, the latest first; an agent gets those they answered."""
    if viewer.own is not None and query.agent not in {None, viewer.own}:
        return Page(items=[], next_cursor=None)
    wanted = ContactFilter(
        started_from=query.from_.timestamp() if query.from_ else None,
        started_to=query.to.timestamp() if query.to else None,
        queue=query.queue,
        agent_id=viewer.own or query.agent,
        customer_id=query.customer,
        caller=query.caller,
        end_state=query.end_state,
    )
    after = None if query.cursor is None else ContactCursor(*behind(query.cursor, UUID))
    page: ContactPage = await backend.queries.contacts(wanted, after=after, limit=query.limit)
    return Page(
        items=[contact_body(row) for row in page.contacts],
        next_cursor=None if page.after is None else opaque(page.after.started_at, page.after.contact_id),
    )


@router.get("/{contact_id}", responses=problems(404, 503), dependencies=[NO_QUERY])
async def contact(contact_id: ContactId, backend: BackendNow, viewer: ContactsViewer) -> ContactDetail:
    """One contact with its segments and recordings."""
    found = await contact_for(backend.queries, viewer, contact_id)
    return contact_detail(found, await backend.queries.verdicts(found.recordings))


@router.get("/{contact_id}/events", responses=problems(404, 503), dependencies=[NO_QUERY])
async def events(contact_id: ContactId, backend: BackendNow, viewer: ContactsViewer) -> ContactEvents:
    """Everything we remember of the contact, in order; `seq` is 1, 2, 3 … without gaps."""
    await contact_for(backend.queries, viewer, contact_id)
    rows = await backend.queries.contact_events(contact_id)
    return ContactEvents(contact_id=contact_id, items=[event_body(row) for row in rows])
