"""GET customers: by number, or one with the latest contacts; masked for agents who never served them."""

import re
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.problems import Mistake, Problem, not_found
from api.reads import contact_body, customer_body, knows
from api.routes.common import NO_QUERY, BackendNow, CustomerId, CustomersViewer, problems
from api.schemas import CustomerDetail, Customers
from callcenter.config.numbers import e164
from callcenter.db.queries import ContactFilter

RECENT_CONTACTS: Final = 10

router = APIRouter(prefix="/v1/customers", tags=["customers"])


class PhoneQuery(BaseModel):
    """The number to look up."""

    model_config = ConfigDict(extra="forbid")

    phone: str = Field(max_length=64, description="In any customary spelling; E.164's + is written %2B")


@router.get("", responses=problems(503))
async def customers(query: Annotated[PhoneQuery, Query()], backend: BackendNow, viewer: CustomersViewer) -> Customers:
    """The customers known under this number: usually none or one, several where they share it."""
    # In a query string a bare + means a blank, and nobody means a blank before a number.
    written = re.sub(r"^ +(?=\d)", "+", query.phone)
    phone = e164(written, backend.site().region)
    if phone is None:
        what = "is no phone number we can understand; write it like +886910000001 (with %2B for the +)"
        mistake = Mistake(where="query.phone", what=what)
        raise Problem(422, "invalid_request", "The request is not valid", f"phone {what}", mistakes=[mistake])
    rows = await backend.queries.customers_by_phone(phone)
    return Customers(
        items=[customer_body(row, known=await knows(backend.queries, viewer, row.customer_id)) for row in rows]
    )


@router.get("/{customer_id}", responses=problems(404, 503), dependencies=[NO_QUERY])
async def customer(customer_id: CustomerId, backend: BackendNow, viewer: CustomersViewer) -> CustomerDetail:
    """One customer with their latest contacts; an agent gets those they answered."""
    found = await backend.queries.customer(customer_id)
    if found is None:
        raise not_found("customer", customer_id)
    recent = found.recent
    if viewer.own is not None:
        own = ContactFilter(customer_id=customer_id, agent_id=viewer.own)
        recent = (await backend.queries.contacts(own, limit=RECENT_CONTACTS)).contacts
    body = customer_body(found.customer, known=viewer.own is None or bool(recent))
    answered_by = (row.agent_id for row in found.recent if row.agent_id is not None)
    return CustomerDetail(
        **body.model_dump(), last_agent=next(answered_by, None), contacts=[contact_body(row) for row in recent]
    )
