"""Every error leaves as RFC 9457 problem+json: a stable code, the cause, and the fix."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from callcenter.errors import CallCenterError, DatabaseError
from callcenter.feed.hub import FeedClosed, FeedFull

log = structlog.get_logger()

MEDIA_TYPE: Final = "application/problem+json"
BODY_BYTES_MAX: Final = 65_536
AUDIO_BYTES_MAX: Final = 10_000_000  # of a recording of a prompt
CUSTOMERS_BYTES_MAX: Final = 1_000_000  # of an import: a good second of work beside the calls
MISTAKES_MAX: Final = 20
RETRY_AFTER_S: Final = 5
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Mistake(BaseModel):
    """One thing wrong with a request: where it is and what to change."""

    where: str = Field(examples=["query.limit"])
    what: str = Field(examples=["Input should be less than or equal to 200"])


class ProblemBody(BaseModel):
    """What every error answer looks like (RFC 9457)."""

    type: str = Field(description="URN of the code", examples=["urn:callcenter:problem:contact_not_found"])
    code: str = Field(description="Stable, for programs", examples=["contact_not_found"])
    title: str = Field(description="Short, the same for every case of this code", examples=["No such contact"])
    detail: str = Field(description="Cause and fix of this case", examples=["There is no contact 0198…"])
    status: int = Field(description="The HTTP status, repeated", examples=[404])
    errors: list[Mistake] = Field(default_factory=list, description="Each mistake of a refused request")


class Problem(Exception):
    """An answer other than success, ready to be sent."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        mistakes: Sequence[Mistake] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.body = ProblemBody(
            type=f"urn:callcenter:problem:{code}",
            code=code,
            title=title,
            detail=detail,
            status=status,
            errors=list(mistakes),
        )

    def response(self) -> JSONResponse:
        """The problem as an HTTP answer."""
        content = self.body.model_dump(exclude_defaults=True)
        return JSONResponse(content, self.status, headers=self.headers, media_type=MEDIA_TYPE)


def unauthorized() -> Problem:
    """401: no token, or one we don't know."""
    return Problem(
        401,
        "unauthorized",
        "A valid token is needed",
        "Send 'Authorization: Bearer <token>'; make one with 'callcenter token create --role …'.",
        headers={"WWW-Authenticate": 'Bearer realm="callcenter"'},
    )


def forbidden(detail: str) -> Problem:
    """403: we know you, and you may not."""
    return Problem(403, "forbidden", "This token may not do that", detail)


def not_found(noun: str, key: str) -> Problem:
    """404: the thing does not exist, or is none of the viewer's business; the two look alike on purpose."""
    return Problem(
        404,
        f"{noun}_not_found",
        f"No such {noun}",
        f"There is no {noun} {shown(key)!r} that this token may see; check the id.",
    )


def too_many(detail: str, retry_after_s: int) -> Problem:
    """429: slow down."""
    return Problem(429, "too_many_requests", "Too many requests", detail, headers=_retry(retry_after_s))


def unavailable(code: str, title: str, detail: str) -> Problem:
    """503: not now; the same request may work in a moment."""
    return Problem(503, code, title, detail, headers=_retry(RETRY_AFTER_S))


def too_large(bytes_max: int = BODY_BYTES_MAX) -> Problem:
    """413: a body no request of ours needs."""
    detail = f"Send at most {bytes_max} bytes in a request body."
    return Problem(413, "body_too_large", "The request body is too large", detail)


def shown(text: str, characters_max: int = 80) -> str:
    """Foreign text made fit for an error message: no control characters, bounded."""
    clean = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text[:characters_max])
    return clean if len(text) <= characters_max else clean + "…"


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(CallCenterError, _fault)
    app.add_exception_handler(Exception, _bug)


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return error.response()


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            problem = Problem(
                404, "no_such_path", "No such path", "Nothing answers at this path; /v1/docs lists what does."
            )
        case 405:
            allow = (error.headers or {}).get("Allow", "")
            problem = Problem(
                405,
                "method_not_allowed",
                "This path does not take that method",
                f"{shown(request.method)} is not offered here; use {allow or 'another method'}.",
                headers=error.headers,
            )
        case 400 | 422:
            problem = Problem(422, "invalid_request", "The request is not valid", "The body is not valid JSON.")
        case 413:
            problem = too_large(int(error.detail) if error.detail.isdigit() else BODY_BYTES_MAX)
        case status:
            problem = Problem(status, f"http_{status}", "Refused", shown(str(error.detail)), headers=error.headers)
    return problem.response()


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    mistakes = [_mistake(one) for one in error.errors()[:MISTAKES_MAX]]
    detail = f"{mistakes[0].where}: {mistakes[0].what}" if mistakes else "The request could not be read."
    return Problem(422, "invalid_request", "The request is not valid", detail, mistakes=mistakes).response()


def _mistake(error: Mapping[str, Any]) -> Mistake:
    where = ".".join(shown(str(part)) for part in error["loc"][:8])
    if error["type"] == "extra_forbidden":
        return Mistake(where=where, what="unknown name; /v1/docs lists what this path takes")
    # The message quotes the schema, never the input, but a custom validator's might: bound it all the same.
    return Mistake(where=where, what=shown(str(error["msg"]), 300))


async def _fault(_: Request, error: Exception) -> JSONResponse:
    match error:
        case DatabaseError():
            log.warning("database unavailable for a read", error=str(error))
            problem = unavailable(
                "database_unavailable",
                "The database is not reachable",
                "Calls go on; history can't be read just now. Try again in a moment; 'callcenter doctor' tells why.",
            )
        case FeedClosed():
            problem = unavailable("stopping", "The service is stopping", "Connect again in a moment.")
        case FeedFull():
            problem = too_many(shown(str(error), 300), RETRY_AFTER_S)
        case _:
            log.error("fault in a request", exc_info=error)
            problem = unavailable("fault", "A part of the system failed", shown(str(error), 300))
    return problem.response()


async def _bug(request: Request, error: Exception) -> JSONResponse:
    # Starlette logs the traceback for us after this answer; the client gets none of it.
    log.error("bug in a request", method=request.method, error_type=type(error).__name__)
    return Problem(
        500,
        "internal_error",
        "A bug on our side",
        "The request failed through no fault of yours; the log has the details.",
    ).response()


def _retry(after_s: int) -> dict[str, str]:
    return {"Retry-After": str(after_s)}
