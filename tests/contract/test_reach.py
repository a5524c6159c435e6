"""The first look at an Asterisk that is not ours: what is wrong is said with its cause and the fix."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web

from api.serving import reach
from callcenter.asterisk.faults import LoginRefused
from callcenter.companions.errors import CompanionError
from tests.contract.line import access_to
from tests.kit.parts import RealAsterisk
from tests.kit.ports import free_port

pytestmark = pytest.mark.integration


@pytest.fixture
async def server_without_ari() -> AsyncIterator[str]:
    runner = web.AppRunner(web.Application())
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}/ari"
    await runner.cleanup()


async def test_an_asterisk_with_ari_is_fine(asterisk: RealAsterisk) -> None:
    await reach(access_to(asterisk), "callcenter")


async def test_nobody_at_that_port(asterisk: RealAsterisk) -> None:
    access = replace(access_to(asterisk), ari_url=f"http://127.0.0.1:{free_port()}/ari")
    with pytest.raises(CompanionError, match="no ARI can be reached") as told:
        await reach(access, "callcenter")
    assert "http.conf" in told.value.fix


async def test_an_asterisk_without_ari(asterisk: RealAsterisk, server_without_ari: str) -> None:
    with pytest.raises(CompanionError, match="there is no ARI") as told:
        await reach(replace(access_to(asterisk), ari_url=server_without_ari), "callcenter")
    assert "res_ari" in told.value.fix


async def test_a_wrong_password(asterisk: RealAsterisk) -> None:
    with pytest.raises(LoginRefused, match="user, password"):
        await reach(replace(access_to(asterisk), ari_password="wrong"), "callcenter")
