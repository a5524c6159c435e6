"""Asking the running service over its API, for commands that need what it knows."""

import io
import json
import re
from collections.abc import Mapping
from typing import Any

import aiohttp

from api.cli.output import ServiceAway
from callcenter.config.settings import Settings
from callcenter.errors import CallCenterError

ANSWER_S = 120.0


class Refused(CallCenterError):
    """The service answered with a problem; `body` is all of it."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__(_said(body))
        self.body = body


async def ask(
    settings: Settings, token: str, method: str, path: str, body: Mapping[str, Any] | bytes | None = None
) -> dict[str, Any]:
    """The answer of the running service, asked with JSON or, if `body` is bytes, with these.

    Raises ServiceAway, or Refused with the problem it answered.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.api_host, settings.api_host)  # noqa: S104 - not bound
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.api_port}{path}"
    sent: dict[str, Any] = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(ANSWER_S)) as session,
            session.request(method, url, **sent, headers={"Authorization": f"Bearer {token}"}) as answer,
        ):
            status, text = answer.status, await answer.text()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise ServiceAway(url, str(error) or "in time") from error
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ServiceAway(url, "what answers there is another program") from error
    if status >= 400:
        raise Refused(found if isinstance(found, dict) else {})
    return dict(found)


def _said(problem: Mapping[str, Any]) -> str:
    """The problem in the words of the command line, which sends no headers and no bodies."""
    if problem.get("code") == "unauthorized":
        return (
            "the service does not know this token (--token, CALLCENTER_TOKEN): it is mistyped, revoked, or of another "
            "instance; make one with 'callcenter token create --role admin'"
        )
    return re.sub(r"^(body|path|query)\.", "", str(problem.get("detail", "the service refused")))
