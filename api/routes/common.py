"""What the routers share: who asks, what the call center offers, and refusing names that nobody declared."""

from typing import Annotated, Any, Final

from fastapi import Depends, Path, Request
from fastapi.exceptions import RequestValidationError

from api.auth import Permission, Permit, Viewer
from api.backend import Backend, backend_of
from api.problems import ProblemBody

PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$"

BackendNow = Annotated[Backend, Depends(backend_of)]
ContactId = Annotated[str, Path(max_length=64, pattern=PRINTABLE, description="A contact's id")]
RecordingId = Annotated[str, Path(max_length=80, pattern=PRINTABLE, description="A recording's id")]
AgentId = Annotated[str, Path(max_length=64, pattern=PRINTABLE, description="An agent's id")]
CustomerId = Annotated[str, Path(max_length=64, pattern=PRINTABLE, description="A customer's id")]

ContactsViewer = Annotated[Viewer, Depends(Permit(Permission.CONTACTS_READ))]
RecordingsViewer = Annotated[Viewer, Depends(Permit(Permission.RECORDINGS_READ))]
QueuesViewer = Annotated[Viewer, Depends(Permit(Permission.QUEUES_READ))]
AgentsViewer = Annotated[Viewer, Depends(Permit(Permission.AGENTS_READ))]
AgentsActor = Annotated[Viewer, Depends(Permit(Permission.AGENTS_ACT))]
CustomersViewer = Annotated[Viewer, Depends(Permit(Permission.CUSTOMERS_READ))]
LiveViewer = Annotated[Viewer, Depends(Permit(Permission.LIVE_READ))]

_TEXTS: Final = {
    401: "No token, or an unknown one",
    403: "The token's role may not",
    404: "Not there, or none of the viewer's business",
    409: "Not possible as things are; nothing changed",
    413: "The body is larger than this may be",
    415: "The body is of a kind that this path does not take",
    416: "The range lies outside the recording",
    422: "The request is not valid",
    429: "Too many requests",
    503: "The database can't be read just now",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of a route's error answers; those of every guarded route included."""
    return {
        status: {"description": _TEXTS[status], "model": ProblemBody}
        for status in sorted({401, 403, 422, 429, *statuses})
    }


async def no_query(request: Request) -> None:
    """For routes that take no query parameters; raises RequestValidationError naming each one sent."""
    unknown = [{"type": "extra_forbidden", "loc": ("query", name), "msg": ""} for name in request.query_params]
    if unknown:
        raise RequestValidationError(unknown)


NO_QUERY: Final = Depends(no_query)
