"""The session's real parts are there, and they are the call center's own."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import asyncpg
import pytest

from callcenter.companions.postgres import PostgresCompanion
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone

pytestmark = pytest.mark.integration


async def test_phones_register_and_a_caller_is_never_met_with_silence_while_the_service_is_down(
    asterisk: RealAsterisk, phones: Mapping[str, Phone], trunk: Phone
) -> None:
    await phones["agent01"].register()
    call = trunk.call("0800000100", caller="0910000001")
    await call.answered()
    await call.hears_sound(within_s=10.0)
    await call.hang_up()
    assert asterisk.companion.alive()


async def test_each_module_has_an_empty_database_of_its_own(database_url: str, postgres: PostgresCompanion) -> None:
    assert database_url != postgres.url
    connection = await asyncpg.connect(urlsplit(database_url)._replace(scheme="postgresql").geturl())
    try:
        tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        name = await connection.fetchval("SELECT current_database()")
    finally:
        await connection.close()
    assert (tables, name) == (0, "integration_test_kit_fixtures")
