"""The API as one FastAPI app, made of a backend; it refuses to exist with a route that declares no guard."""

from typing import Final

from fastapi import FastAPI

from api import problems
from api.auth import Throttle, unguarded
from api.backend import Backend
from api.limits import Limits
from api.metrics import registry_of
from api.routes import (
    agents,
    contacts,
    customer_import,
    customers,
    documents,
    estimates,
    flow_paths,
    flows,
    health,
    live,
    prompts,
    queues,
    recordings,
    reports,
    routing,
    site,
    sizing,
    surveys,
)

VERSION: Final = "1.0"
DESCRIPTION: Final = """\
A contact center beside Asterisk: contacts, queues, agents, recordings and a live feed.

Send 'Authorization: Bearer <token>'; 'callcenter token create --role agent|supervisor|admin' makes one.
An agent's token sees the contacts that agent served and acts on that agent alone; of customers they never served,
names and numbers are masked. Instants are RFC 3339 in UTC, durations end in _s and are seconds, phones are E.164.
Errors are application/problem+json (RFC 9457) with a stable `code`. Unknown parameters and fields are refused.
"""


class RouteUnguarded(AssertionError):
    """A bug: routes exist that declare neither a permission nor that they are public."""


def create_app(backend: Backend) -> FastAPI:
    """The whole API on this backend; raises RouteUnguarded if a route forgot its guard."""
    app = FastAPI(
        title="Call center API",
        version=VERSION,
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.backend = backend
    app.state.throttle = Throttle()
    app.state.metrics = registry_of(backend)
    nouns = (
        *(
            contacts,
            routing,
            recordings,
            queues,
            agents,
            customers,
            customer_import,
            reports,
            estimates,
            surveys,
            sizing,
            site,
            flows,
            flow_paths,
            prompts,
        ),
        *(live, health, documents),
    )
    for noun in nouns:
        app.include_router(noun.router)
    problems.install(app)
    app.add_middleware(Limits)
    refuse_unguarded(app)
    return app


def refuse_unguarded(app: FastAPI) -> None:
    """Raise RouteUnguarded, naming each path, if a route of `app` declares no guard."""
    paths = unguarded(app)
    if paths:
        raise RouteUnguarded(f"routes without a declared permission: {', '.join(paths)}")
