"""Fixtures that more than one kind of test needs: the real parts, started once per session and only if asked for."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import settings

from callcenter.companions.postgres import PostgresCompanion
from tests.kit.parts import DEMO_SITE, RealAsterisk, plain_config, plan_for, running, swept

# In CI a law is tried on the same examples each time for the same code, so that a red run is about the change; at home
# every run looks for new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def plain_asterisk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealAsterisk]:
    """A real Asterisk with a plain dialplan (echo, tone, digits, agents dialed directly), without the call center."""
    plan = plan_for(tmp_path_factory.mktemp("plain"), "plain")
    async with running(replace(plan, extra_config=plain_config())) as asterisk:
        yield asterisk


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def asterisk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealAsterisk]:
    """A real Asterisk as the call center runs it, with the demo site's prompts and agents and a lease of 30 s."""
    plan = plan_for(tmp_path_factory.mktemp("asterisk"), "main", prompts_dir=DEMO_SITE / "prompts")
    async with running(plan) as started:
        yield started


@pytest.fixture(autouse=True)
async def _nothing_from_before(request: pytest.FixtureRequest) -> None:
    """A test finds the session's Asterisk empty, so that one that fails takes no other with it."""
    if "asterisk" in request.fixturenames:
        await swept(request.getfixturevalue("asterisk"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres() -> AsyncIterator[PostgresCompanion]:
    """A real PostgreSQL of this session's own, whatever CALLCENTER_DATABASE_URL names."""
    var = Path(tempfile.mkdtemp(prefix="kit-"))  # a short path: the server's socket lives below it
    companion = PostgresCompanion(var=var, instance="test")
    try:
        await companion.start()
        yield companion
    finally:
        await companion.stop()
        shutil.rmtree(var, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database_url(postgres: PostgresCompanion, request: pytest.FixtureRequest) -> str:
    """SQLAlchemy URL of an empty database for this test module; the schema is the test's to migrate."""
    name = "_".join(Path(str(request.path)).with_suffix("").parts[-2:]).lower()
    return await postgres.database(name[:63])
