"""The audit that nobody has to think of: once an hour, over hours that are closed, in a process of its own."""

import asyncio
import os
from pathlib import Path

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from api.hourly_audit import HOUR_S, SETTLE_S, SPAN_S, audit_hourly, audit_once, next_after, span_at
from callcenter.audit import RESULT, last
from callcenter.clock import AnchoredClock
from callcenter.db.migrate import upgrade
from tests.database import AT, contact_id, database_server, fetch, fresh_url, served
from tests.integration.test_audit import written

pytestmark = pytest.mark.integration
__all__ = ["database_server", "fresh_url"]

NOW = AT + HOUR_S + SETTLE_S


@given(st.floats(0.0, 4e9))
def test_every_contact_is_looked_at_and_only_after_its_hour(began_at: float) -> None:
    due_at = next_after(began_at)
    assert began_at < due_at <= began_at + HOUR_S
    looks = [span_at(due_at + n * HOUR_S) for n in range(int(SPAN_S / HOUR_S) + 2)]
    seen = [from_at <= began_at < to_at for from_at, to_at in looks]
    assert sum(seen) == SPAN_S / HOUR_S
    for at, (_, to_at) in zip((due_at + n * HOUR_S for n in range(len(looks))), looks, strict=True):
        assert to_at + SETTLE_S <= at + 1e-6


def environment(var: Path, url: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLCENTER_")}
    plain_url = url.replace("postgresql+asyncpg", "postgresql")
    return {**clean, "CALLCENTER_VAR": str(var), "CALLCENTER_DATABASE_URL": plain_url}


async def test_a_sound_hour_is_found_sound_beside_the_service_and_a_loss_is_an_error(tmp_path: Path, url: str) -> None:
    await upgrade(url)
    journal = tmp_path / "main" / "journal.sqlite"
    journal.parent.mkdir()
    await written(journal, url, served(1) + served(2, at=AT + 60.0))
    assert await audit_once(NOW, environment(tmp_path, url)) == 0
    report = last(journal.with_name(RESULT))
    assert report is not None
    assert (report.contacts, report.found) == (2, 0)
    assert "I2 is not proved: there is no CEL file" in report.notes
    await fetch(url, "DELETE FROM contact_event WHERE contact_id = $1 AND seq = 9", contact_id(1))
    assert await audit_once(NOW, environment(tmp_path, url)) == 1
    report = last(journal.with_name(RESULT))
    assert report is not None
    assert report.found >= 1


def test_the_service_audits_in_its_own_environment_on_its_own_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """uvloop starts no process whose environment is anything but a dict."""
    monkeypatch.setenv("CALLCENTER_VAR", str(tmp_path))
    monkeypatch.setenv("CALLCENTER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(audit_once(NOW)) == 3


async def test_a_database_that_is_away_ends_no_service(tmp_path: Path) -> None:
    away = "postgresql://nobody@127.0.0.1:1/none"
    assert await audit_once(NOW, environment(tmp_path, away)) == 3


async def test_a_bug_in_the_audit_does_not_end_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = asyncio.Event()

    async def broken(*_: object, **__: object) -> None:
        tried.set()
        raise TypeError("a bug")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", broken)
    auditing = asyncio.create_task(audit_hourly(AnchoredClock(next_after(AT) - 0.05)))
    await asyncio.wait_for(tried.wait(), 10.0)
    done, _ = await asyncio.wait({auditing}, timeout=0.2)
    assert not done
    auditing.cancel()
