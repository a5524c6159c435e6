"""Routing explained: what would become of a call without making it, and why a contact is where it is."""

from collections.abc import Iterable
from typing import Final

from fastapi import APIRouter

from api.auth import Viewer
from api.backend import Backend
from api.explain_schemas import ExplainAnswer, ExplainRequest, Why
from api.explain_views import (
    admission_body,
    card_body,
    course_body,
    explanation_body,
    hotline_body,
    offers_of,
    promise_body,
    rules_of,
    way_body,
)
from api.problems import Mistake, Problem, not_found, unavailable
from api.reads import UUID, contact_for, knows
from api.routes.common import NO_QUERY, BackendNow, ContactId, ContactsViewer, problems
from api.schemas import instant
from callcenter.config.numbers import e164
from callcenter.config.site import Site
from callcenter.contact.signals import CustomerCard
from callcenter.db.queries import EventRow
from callcenter.errors import DatabaseError
from callcenter.foresight import Caller, foresee

NAMED_MAX: Final = 20

router = APIRouter(prefix="/v1", tags=["routing"], dependencies=[NO_QUERY])


@router.post("/routing/explain", responses=problems(404, 503))
async def explain(wanted: ExplainRequest, backend: BackendNow, viewer: ContactsViewer) -> ExplainAnswer:
    """What would become of this call: trunk, flow, rules, queue, who may serve when, who would be asked now, and why.

    Nothing is done. An agent reads of a customer they never served what GET /v1/customers shows them.
    """
    site, now = backend.site(), backend.clock.now()
    at = now if wanted.at is None else wanted.at.timestamp()
    _refuse_unknown("queue", wanted.queue, site.queues)
    _refuse_unknown("language", wanted.language, site.languages)
    card, phone = _customer(wanted.customer, backend, site)
    known = card is None or await knows(backend.queries, viewer, card.customer_id)
    caller = Caller(wanted.dialed, at, card, phone, wanted.queue, wanted.language)
    in_use = backend.trunks_in_use()
    found = foresee(caller, site=site, floor=backend.floor, trunks_in_use=in_use, now=now)
    return ExplainAnswer(
        as_of=instant(now),
        at=instant(at),
        site=site.digest,
        customer=None if card is None else card_body(card, phone, known=known),
        hotline=hotline_body(found, wanted.dialed, site),
        language=found.language,
        value_tier=found.value_tier,
        admission=admission_body(found, site, in_use),
        ways=[way_body(way) for way in found.ways],
        queues=[course_body(course, site, known=known) for course in found.courses],
    )


@router.get("/contacts/{contact_id}/why", responses=problems(404, 503), tags=["contacts"])
async def why(contact_id: ContactId, backend: BackendNow, viewer: ContactsViewer) -> Why:
    """Why this contact is not served yet, if it waits; and why it was offered to whom it was, from its events."""
    events = await _events(contact_id, backend, viewer)
    found = backend.floor.explain(contact_id)
    if found is None and not events:
        raise not_found("contact", contact_id)
    told = None if found is None else backend.floor.promise(contact_id)
    return Why(
        contact_id=contact_id,
        now=None if found is None else explanation_body(found, backend.site()),
        told=None if told is None else promise_body(told),
        rules=None if events is None else rules_of(events),
        offers=None if events is None else offers_of(events),
    )


async def _events(contact_id: str, backend: Backend, viewer: Viewer) -> tuple[EventRow, ...] | None:
    """The contact's events, if this viewer may see it; None for a live contact while the database is away.

    Raises Problem 404 for an agent who did not serve it, and DatabaseError if there is nothing else to tell.
    """
    if viewer.own is not None:
        await contact_for(backend.queries, viewer, contact_id)
    elif not UUID.fullmatch(contact_id):
        raise not_found("contact", contact_id)
    try:
        return await backend.queries.contact_events(contact_id)
    except DatabaseError:
        if backend.floor.explain(contact_id) is None:
            raise
        return None


def _customer(text: str | None, backend: Backend, site: Site) -> tuple[CustomerCard | None, str | None]:
    """The customer by id or else by phone, and the phone if it was given; a number that is nobody's is a stranger's.

    Raises Problem 404 for what is neither, 503 while the customers have not been read.
    """
    if text is None:
        return None, None
    if not backend.customers.loaded:
        raise unavailable("customers_not_loaded", "The customers are not read yet", "Try again in a moment.")
    card = backend.customers.card(text)
    if card is not None:
        return card, None
    phone = e164(text, site.region)
    if phone is None:
        raise not_found("customer", text)
    return backend.customers.find(phone), phone


def _refuse_unknown(field: str, name: str | None, known: Iterable[str]) -> None:
    names = sorted(known)
    if name is not None and name not in names:
        what = f"the site has no such {field}; it has {', '.join(names[:NAMED_MAX])}"
        mistake = Mistake(where=f"body.{field}", what=what)
        raise Problem(422, "invalid_request", "The request is not valid", f"body.{field}: {what}", mistakes=[mistake])
