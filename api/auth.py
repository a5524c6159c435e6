"""Who asks, and what they may: one table of permissions; a route that declares none cannot exist."""

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Final

from fastapi import FastAPI, Request, Security
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.backend import Backend, backend_of
from api.problems import forbidden, too_many, unauthorized
from callcenter.db.tokens import Role

FAILURES_MAX: Final = 20
FAILURES_WINDOW_S: Final = 60.0
ADDRESSES_MAX: Final = 10_000
_TOKEN = re.compile(r"[A-Za-z0-9_.~+/=-]{16,200}")

bearer = HTTPBearer(auto_error=False, description="A token from 'callcenter token create'.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]


class Permission(StrEnum):
    """What a route needs."""

    CONTACTS_READ = "contacts:read"
    RECORDINGS_READ = "recordings:read"
    QUEUES_READ = "queues:read"
    AGENTS_READ = "agents:read"
    AGENTS_ACT = "agents:act"
    CUSTOMERS_READ = "customers:read"
    CUSTOMERS_WRITE = "customers:write"
    LIVE_READ = "live:read"
    METRICS_READ = "metrics:read"
    REPORTS_READ = "reports:read"
    SITE_READ = "site:read"
    SITE_WRITE = "site:write"


class Scope(StrEnum):
    """On what a permission holds: everything, or only what is the viewer's own."""

    OWN = "own"
    ALL = "all"


_EVERYTHING: Final = dict.fromkeys(Permission, Scope.ALL)
_OPERATORS_ALONE: Final = {Permission.SITE_WRITE, Permission.CUSTOMERS_WRITE}

GRANTS: Final[Mapping[Role, Mapping[Permission, Scope]]] = {
    Role.AGENT: {
        Permission.CONTACTS_READ: Scope.OWN,
        Permission.RECORDINGS_READ: Scope.OWN,
        Permission.QUEUES_READ: Scope.ALL,
        Permission.AGENTS_READ: Scope.ALL,
        Permission.AGENTS_ACT: Scope.OWN,
        Permission.CUSTOMERS_READ: Scope.OWN,
        Permission.LIVE_READ: Scope.OWN,
    },
    Role.SUPERVISOR: {each: Scope.ALL for each in Permission if each not in _OPERATORS_ALONE},
    Role.ADMIN: _EVERYTHING,
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: the role of their token and, for an agent, which one; `scope` as granted for this route."""

    role: Role
    agent_id: str | None
    scope: Scope

    @property
    def own(self) -> str | None:
        """The agent whose own things are all this viewer may see; None for a viewer who sees everything."""
        if self.scope is Scope.ALL:
            return None
        assert self.agent_id is not None, "an agent's token names its agent"
        return self.agent_id


@dataclass(frozen=True)
class Permit:
    """The dependency that guards a route: a valid token whose role holds `permission`."""

    permission: Permission

    async def __call__(self, request: Request, credentials: Credentials) -> Viewer:
        """The viewer; raises Problem 401, 403 or 429."""
        return await self.admit(request, credentials.credentials if credentials else None)

    async def admit(self, request: Request, token: str | None) -> Viewer:
        """Like a call, for a token that was read already."""
        backend = backend_of(request)
        throttle: Throttle = request.app.state.throttle
        viewer = await viewer_of(backend, token, self.permission) if token else None
        if viewer is None:
            address = request.client.host if request.client else ""
            if token and throttle.failed(address, backend.clock.now()):
                raise too_many("Too many wrong tokens from this address; check the token.", int(FAILURES_WINDOW_S))
            raise unauthorized()
        return viewer


@dataclass(frozen=True)
class MetricsPermit:
    """Guards the metrics: a program on this machine needs no token, anybody else one with the permission."""

    async def __call__(self, request: Request, credentials: Credentials) -> None:
        """Raises Problem 401, 403 or 429."""
        direct = "x-forwarded-for" not in request.headers and "forwarded" not in request.headers
        if credentials is None and direct and request.client and _is_loopback(request.client.host):
            return
        permit = Permit(Permission.METRICS_READ)
        await permit.admit(request, credentials.credentials if credentials else None)


@dataclass(frozen=True)
class Public:
    """The explicit mark of a route that anybody may call."""

    async def __call__(self) -> None:
        """Nothing is asked."""


class Throttle:
    """Counts wrong tokens per address in a window; bounded, the longest silent address is forgotten first."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def failed(self, address: str, now: float) -> bool:
        """Note one failure; True when this address has used up its window."""
        since, count = self._failures.pop(address, (now, 0))
        if now - since > FAILURES_WINDOW_S:
            since, count = now, 0
        self._failures[address] = (since, count + 1)
        while len(self._failures) > ADDRESSES_MAX:
            self._failures.popitem(last=False)
        return count + 1 > FAILURES_MAX


async def viewer_of(backend: Backend, token: str, permission: Permission) -> Viewer | None:
    """The viewer behind `token`, None if nobody knows it; raises Problem 403 if the role lacks `permission`."""
    if not _TOKEN.fullmatch(token):
        return None
    known = await backend.tokens.verify(token)
    if known is None:
        return None
    scope = GRANTS[known.role].get(permission)
    if scope is None:
        able = " or ".join(role.value for role in Role if permission in GRANTS[role])
        raise forbidden(f"A token of role {known.role.value} lacks {permission.value}, one of role {able} has it.")
    return Viewer(known.role, known.agent_id, scope)


def unguarded(app: FastAPI) -> list[str]:
    """Paths of routes that declare no guard (a permission, or Public); a healthy app has none."""
    paths = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        guarded = isinstance(route, APIRoute) and any(_guards(route.dependant))
        if not guarded:
            paths.append(str(getattr(context, "path", route)))
    return paths


def _guards(dependant: Dependant) -> Iterator[bool]:
    yield isinstance(dependant.call, (Permit, MetricsPermit, Public))
    for inner in dependant.dependencies:
        yield from _guards(inner)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
