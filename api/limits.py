"""The outermost door: bounded bodies, bounded requests at once, and headers every answer carries."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import AUDIO_BYTES_MAX, BODY_BYTES_MAX, CUSTOMERS_BYTES_MAX, Problem, too_large, unavailable

REQUESTS_MAX: Final = 512
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)


class Limits:
    """ASGI middleware; live feeds count as requests too, their number is bounded again by the hub."""

    def __init__(self, app: ASGIApp, *, requests_max: int = REQUESTS_MAX) -> None:
        self._app = app
        self._requests_max = requests_max
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within the bounds, or refuse it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        problem = self._refusal(scope)
        if problem is not None:
            await problem.response()(scope, receive, _with_headers(send))
            return
        self._requests += 1
        try:
            await self._app(scope, self._bounded(receive, _bytes_max(scope)), _with_headers(send))
        finally:
            self._requests -= 1

    def _refusal(self, scope: Scope) -> Problem | None:
        if self._requests >= self._requests_max:
            return unavailable("busy", "Too many requests at once", "Try again in a moment.")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared[:12]) > _bytes_max(scope):
            return too_large(_bytes_max(scope))
        return None

    def _bounded(self, receive: Receive, bytes_max: int) -> Receive:
        """A chunked body declares no length: count it as it comes."""
        received = 0

        async def bounded() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > bytes_max:
                raise HTTPException(413, str(bytes_max))
            return message

        return bounded


def _bytes_max(scope: Scope) -> int:
    """What a body may have: recordings of prompts and lists of customers are the only large ones."""
    if scope["method"] == "PUT" and scope["path"].startswith("/v1/prompts/"):
        return AUDIO_BYTES_MAX
    if scope["path"] == "/v1/customers/import":
        return CUSTOMERS_BYTES_MAX
    return BODY_BYTES_MAX


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message["headers"]}
            extra = [pair for pair in HEADERS if pair[0] not in present]
            if b"cache-control" not in present:
                extra.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return sending
