"""Guards: an app with a route that declares no permission cannot exist."""

import pytest
from fastapi import APIRouter, Depends, FastAPI

from api.app import RouteUnguarded, refuse_unguarded
from api.auth import ADDRESSES_MAX, FAILURES_MAX, FAILURES_WINDOW_S, GRANTS, Permission, Permit, Public, Scope, Throttle
from callcenter.db.tokens import Role


async def nothing() -> None:
    """An endpoint."""


def app() -> FastAPI:
    return FastAPI(openapi_url=None, docs_url=None, redoc_url=None)


@pytest.mark.parametrize("guard", [Permit(Permission.CONTACTS_READ), Public()])
def test_a_route_with_a_permission_or_marked_public_may_exist(guard: Permit | Public) -> None:
    guarded = app()
    guarded.add_api_route("/v1/x", nothing, dependencies=[Depends(guard)])
    refuse_unguarded(guarded)


def test_a_route_that_forgot_its_permission_is_named() -> None:
    forgetful = app()
    forgetful.add_api_route("/v1/good", nothing, dependencies=[Depends(Public())])
    forgetful.add_api_route("/v1/bad", nothing)
    with pytest.raises(RouteUnguarded, match="/v1/bad"):
        refuse_unguarded(forgetful)


def test_a_route_in_an_included_router_is_found_too() -> None:
    router = APIRouter(prefix="/v1")
    router.add_api_route("/deep", nothing)
    outer = APIRouter(prefix="/outer")
    outer.include_router(router)
    forgetful = app()
    forgetful.include_router(outer)
    with pytest.raises(RouteUnguarded, match="/outer/v1/deep"):
        refuse_unguarded(forgetful)


def test_a_mounted_app_or_a_plain_route_declares_nothing_and_is_refused() -> None:
    mounting = app()
    mounting.mount("/static", app())
    with pytest.raises(RouteUnguarded, match="/static"):
        refuse_unguarded(mounting)
    with pytest.raises(RouteUnguarded, match=r"openapi\.json"):
        refuse_unguarded(FastAPI())


def test_agents_hold_nothing_unscoped_but_the_shape_of_the_floor() -> None:
    everywhere = {permission for permission, scope in GRANTS[Role.AGENT].items() if scope is Scope.ALL}
    assert everywhere == {Permission.QUEUES_READ, Permission.AGENTS_READ}
    assert set(GRANTS[Role.ADMIN]) == set(Permission)
    assert set(GRANTS[Role.SUPERVISOR]) == set(Permission) - {Permission.SITE_WRITE, Permission.CUSTOMERS_WRITE}


def test_wrong_tokens_are_counted_per_address_and_forgiven_after_the_window() -> None:
    throttle = Throttle()
    told = [throttle.failed("203.0.113.9", now=float(n) / 10) for n in range(FAILURES_MAX + 1)]
    assert told == [False] * FAILURES_MAX + [True]
    assert not throttle.failed("203.0.113.10", now=3.0)
    assert not throttle.failed("203.0.113.9", now=FAILURES_WINDOW_S + 1)


def test_the_addresses_remembered_are_bounded() -> None:
    throttle = Throttle()
    for _ in range(FAILURES_MAX + 1):
        throttle.failed("first", now=0.0)
    for n in range(ADDRESSES_MAX):
        throttle.failed(str(n), now=0.0)
    assert not throttle.failed("first", now=0.0)
