"""POST customers/import: customers of another system, as `callcenter customers import` takes them; all or none."""

import asyncio
import io
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api.auth import Permission, Permit, Viewer
from api.problems import Mistake, Problem, shown
from api.routes.common import BackendNow, problems
from api.schemas import Answer
from callcenter.config.site import Site
from callcenter.customer_file import Reading, check_customers, read_customers

log = structlog.get_logger()

Operator = Annotated[Viewer, Depends(Permit(Permission.CUSTOMERS_WRITE))]

router = APIRouter(prefix="/v1/customers", tags=["customers"])


class ImportQuery(BaseModel):
    """What to do with what was read."""

    model_config = ConfigDict(extra="forbid")

    check: bool = Field(False, description="Only look for mistakes")


class CustomerGiven(BaseModel):
    """One customer of another system; null, or left out, is not known (the tier: the site's default)."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    customer_id: str = Field(examples=["c2001"])
    name: str = Field(examples=["羅宇軒"])
    phones: list[str] = Field(description="As dialed in the site's region, or E.164", examples=[["0910000009"]])
    value_tier: str | None = None
    language: str | None = None
    segment: str | None = None
    preferred_agent: str | None = None
    at_risk: bool | None = None
    usage: float | None = None

    def cells(self) -> dict[str, str]:
        """The customer as the CSV file would have them."""
        known = self.model_dump(exclude_none=True) | {"phones": ";".join(self.phones)}
        return {name: str(value) for name, value in known.items()}


class CustomersGiven(BaseModel):
    """Customers of another system."""

    model_config = ConfigDict(extra="forbid")

    customers: list[CustomerGiven]


class ImportBody(Answer):
    """What was read, and whether it is stored; the same document as `callcenter customers import --json` says."""

    customers: int
    mistakes: list[str] = Field(description="With check only, each with its place; else an answer 422 has them")
    stored: bool


_GIVEN: Final[dict[str, Any]] = {
    "text/csv": {"schema": {"type": "string", "description": "UTF-8; the first line names the columns"}},
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["customers"],
            "additionalProperties": False,
            "properties": {"customers": {"type": "array", "items": CustomerGiven.model_json_schema()}},
        }
    },
}


@router.post(
    "/import",
    responses=problems(413, 415, 503),
    openapi_extra={"requestBody": {"required": True, "content": _GIVEN}},
)
async def import_customers(
    query: Annotated[ImportQuery, Query()], request: Request, backend: BackendNow, viewer: Operator
) -> ImportBody:
    """Take customers over from CSV or JSON: all of them, or none if there is a mistake. The next call goes by it."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _GIVEN:
        detail = f"Send the customers as {' or '.join(_GIVEN)}, and say so in Content-Type."
        raise Problem(415, "media_type_not_taken", "The body is of another kind", detail)
    found = await asyncio.to_thread(_READ[kind], await request.body(), backend.site())
    if query.check:
        return ImportBody(customers=len(found.records), mistakes=[str(each) for each in found.mistakes], stored=False)
    if found.mistakes:
        raise _refused(found)
    await backend.store_customers(found.records)
    log.info("customers taken over", customers=len(found.records), by=viewer.role.value)
    return ImportBody(customers=len(found.records), mistakes=[], stored=True)


def _of_csv(body: bytes, site: Site) -> Reading:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = {"type": "text", "loc": ("body",), "msg": "the text is no UTF-8"}
        raise RequestValidationError([where]) from error
    return read_customers(io.StringIO(text, newline=""), site)


def _of_json(body: bytes, site: Site) -> Reading:
    try:
        given = CustomersGiven.model_validate_json(body)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in mistakes]) from error
    rows = ((f"customers.{place}", each.cells()) for place, each in enumerate(given.customers))
    return check_customers(rows, site)


_READ: Final = {"text/csv": _of_csv, "application/json": _of_json}


def _refused(found: Reading) -> Problem:
    mistakes = [Mistake(where=each.where, what=shown(each.what, 300)) for each in found.mistakes]
    count = "1 mistake was" if len(mistakes) == 1 else f"{len(mistakes)} mistakes were"
    detail = f"Nothing was taken over: {count} found, see errors."
    return Problem(422, "customers_refused", "The customers have mistakes", detail, mistakes=mistakes)
