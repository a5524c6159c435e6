"""Others die under calls, as bench.outages measures it at length: PostgreSQL is away, Asterisk is killed."""

import os

import pytest

from bench.asterisk_killed import killed_asterisk
from bench.away import Outage, postgres_away
from tests.database import open_directory
from tests.integration.conftest import Figure

pytestmark = pytest.mark.integration
CLOSED_S = 30.0  # 10 s on a quiet machine, see the figure


@pytest.mark.skipif(os.geteuid() != 0, reason="INVITEs are read off the wire")
async def test_calls_are_routed_without_postgresql_and_it_has_every_event_once_it_is_back(figure: Figure) -> None:
    with open_directory() as var:
        found = await postgres_away(var, Outage(rate=10.0, away_s=6.0, around_s=3.0))
    assert found["away"]["failed"] == 0
    assert found["away"]["succeeded"] == found["away"]["calls"] == 120
    assert found["contacts"] == found["served"] == 180
    assert found["behind"] > 0, "the journal kept what happened meanwhile"
    figure("the journal is drained after PostgreSQL is back, s", found["drained_s"])


async def test_every_contact_is_closed_and_agents_are_available_after_asterisk_is_killed(figure: Figure) -> None:
    found = await killed_asterisk(1)
    assert found["wrong"] == []
    assert found["end_states"] == {"agent": 8, "failed": 12}
    for name in ("closed", "available", "served"):
        figure(f"{name} after Asterisk was killed and is back, s", found[f"{name}_max_s"])
        assert found[f"{name}_max_s"] < CLOSED_S, name
