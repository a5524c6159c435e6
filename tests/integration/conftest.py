"""Fixtures of the integration tests: the phones around the session's real Asterisk, and figures worth telling."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from uuid import uuid4

import pytest

from callcenter.companions.postgres import PostgresCompanion
from tests.kit.hotline import Hotline, open_hotline
from tests.kit.parts import AGENTS, RealAsterisk
from tests.kit.phone import Phone
from tests.kit.service import Service, service_on

Figure = Callable[[str, float], None]

_figures = pytest.StashKey[dict[str, list[float]]]()


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Figure:
    """`figure("CANCEL after, ms", 12.3)`: told at the end of the run, never asserted, for machines are noisy."""

    def note(name: str, value: float) -> None:
        request.config.stash.setdefault(_figures, {}).setdefault(name, []).append(value)

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell the figures: how many, median, worst."""
    for name, values in sorted(config.stash.get(_figures, {}).items()):
        told = f"{len(values)} measured, median {median(values):.1f}, worst {max(values):.1f}"
        terminalreporter.write_line(f"{name}: {told}")


@pytest.fixture
async def phones(asterisk: RealAsterisk) -> AsyncIterator[Mapping[str, Phone]]:
    """Phones of agent01…agent10 by agent id: open, with their right passwords, not registered."""
    async with AsyncExitStack() as stack:
        yield {agent: await stack.enter_async_context(asterisk.phone(agent)) for agent in AGENTS}


@pytest.fixture
async def trunk(asterisk: RealAsterisk) -> AsyncIterator[Phone]:
    """The trunk: `trunk.call("0800000100", caller="0910000001")` is a caller."""
    async with asterisk.trunk() as phone:
        yield phone


@pytest.fixture
async def service(asterisk: RealAsterisk, postgres: PostgresCompanion, tmp_path: Path) -> AsyncIterator[Service]:
    """The service as processes of its own beside the session's Asterisk, with a database of its own; not started."""
    database_url = await postgres.database(f"service_{uuid4().hex[:12]}")
    async with service_on(asterisk, tmp_path, database_url) as service:
        yield service


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the module's call centers keep their journal: one after the other, as restarts of one service."""
    return tmp_path_factory.mktemp("var")


@pytest.fixture
async def hotline(var: Path, asterisk: RealAsterisk, database_url: str) -> AsyncIterator[Hotline]:
    """The whole call center on the demo site, with nobody logged in and nobody on the line."""
    async with open_hotline(var, asterisk, database_url) as running:
        await running.log_out_all()
        await running.nothing_left()
        yield running
