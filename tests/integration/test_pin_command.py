"""`callcenter pin set`: a PIN comes on standard input and is kept as a hash only."""

import asyncio
import json
import sys

import pytest

from callcenter.config.settings import CHECKOUT
from tests.database import fetch
from tests.kit.service import Service

pytestmark = pytest.mark.integration


async def pin_set(service: Service, customer: str, typed: str, *words: str) -> tuple[int, str]:
    """Exit code, and all that was said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "pin", "set", customer, *words),
        cwd=CHECKOUT,
        env=service.environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(typed.encode()), 60.0)
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_a_customer_gets_a_pin_of_which_only_the_hash_is_kept(service: Service) -> None:
    url = service.environment["CALLCENTER_DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
    await fetch(url, "INSERT INTO customer (customer_id, name, value_tier) VALUES ('c1', '林', 'vip')")
    code, said = await pin_set(service, "c1", "2580\n", "--json")
    assert (code, json.loads(said)) == (0, {"customer_id": "c1", "set": True})
    (row,) = await fetch(url, "SELECT hash FROM customer_pin WHERE customer_id = 'c1'")
    assert row["hash"].startswith("scrypt$")
    assert "2580" not in row["hash"]
    code, said = await pin_set(service, "nobody", "2580\n")
    assert (code, said) == (1, "callcenter: there is no customer 'nobody'\n")
    code, said = await pin_set(service, "c1", "12ab\n")
    assert code == 2
    assert "4-12 digits, on standard input" in " ".join(said.split())
    assert "12ab" not in said
