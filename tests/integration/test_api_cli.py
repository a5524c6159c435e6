"""Commands that need the database: tokens, events and the schema, beside a running service and without one."""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.api_center import Center, center
from tests.kit.parts import CHECKOUT

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

AT = 1_767_000_000.0
RUN_S = 90.0


async def run(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """`python -m api.cli …`: exit code, stdout, stderr."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLCENTER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", *arguments),
        cwd=CHECKOUT,
        env={**clean, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), RUN_S)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("options", "status"), [(("--role", "supervisor"), 200), (("--role", "agent", "--agent", "agent01"), 403)]
)
async def test_a_token_made_beside_the_running_service_opens_what_its_role_may(
    center: Center, options: tuple[str, ...], status: int
) -> None:
    code, out, err = await run("token", "create", *options, CALLCENTER_DATABASE_URL=center.database_url)
    assert code == 0, err
    token = out.strip()
    assert token not in err
    assert (await center.json("GET", "/v1/queues", token))[0] == 200
    async with center.request("GET", "/metrics", token) as response:
        assert response.status == status


async def test_a_token_is_listed_without_giving_it_away_and_once_revoked_opens_nothing(center: Center) -> None:
    url = {"CALLCENTER_DATABASE_URL": center.database_url}
    code, out, err = await run("token", "create", "--role", "admin", "--label", "for the [wall] board", **url)
    assert code == 0, err
    token = out.strip()
    code, out, _ = await run("token", "list", "--json", **url)
    (listed,) = (each for each in json.loads(out)["items"] if each["label"] == "for the [wall] board")
    assert (code, listed["role"], listed["agent_id"], listed["revoked_at"]) == (0, "admin", None, None)
    assert token not in out
    code, out, err = await run("token", "revoke", listed["token_id"], **url)
    assert (code, out, listed["token_id"] in err) == (0, "", True)
    assert (await center.json("GET", "/v1/queues", token))[0] == 401, "nobody asked with it before"
    code, out, _ = await run("token", "list", COLUMNS="40", **url)
    (line,) = (line for line in out.splitlines() if "for the [wall] board" in line)
    assert (line.startswith(listed["token_id"]), len(line.split("Z"))) == (True, 3), "made and revoked"
    for unknown in (listed["token_id"], "nobody"):
        code, out, err = await run("token", "revoke", unknown, **url)
        assert (code, out, "token list" in err) == (1, "", True)


async def test_a_token_for_an_agent_the_site_does_not_have_is_refused(center: Center) -> None:
    options = ("--role", "agent", "--agent", "agent99")
    code, out, err = await run("token", "create", *options, CALLCENTER_DATABASE_URL=center.database_url)
    assert (code, out) == (1, "")
    assert "agent99" in err


async def test_events_tail_shows_the_latest_events_and_one_contacts_whole_story(center: Center) -> None:
    contact_id = center.served_contact(started_at=AT)
    await center.settled()
    url = {"CALLCENTER_DATABASE_URL": center.database_url}
    code, out, _ = await run("events", "tail", "--count", "3", "--json", **url)
    assert code == 0
    assert [json.loads(line)["seq"] for line in out.splitlines()] == [14, 15, 16]
    code, out, _ = await run("events", "tail", "--contact", contact_id, **url)
    assert code == 0
    assert [f"#{n}  " in line for n, line in enumerate(out.splitlines(), start=1)] == [True] * 16
    code, _, err = await run("events", "tail", "--contact", "nobody", **url)
    assert code == 1
    assert "nobody" in err


async def test_events_tail_follows_what_comes(center: Center) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLCENTER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "events", "tail", "--follow", "--json", "--count", "1"),
        cwd=CHECKOUT,
        env={**clean, "CALLCENTER_DATABASE_URL": center.database_url},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        center.served_contact(started_at=AT + 9)
        await center.settled()
        await asyncio.wait_for(process.stdout.readline(), RUN_S)  # it is connected now
        contact_id = center.served_contact(started_at=AT + 10)
        seen: list[int] = []
        while len(seen) < 16:
            event = json.loads(await asyncio.wait_for(process.stdout.readline(), RUN_S))
            if event["stream"] == f"contact/{contact_id}":
                seen.append(event["seq"])
        assert seen == list(range(1, 17))
    finally:
        process.terminate()
        await process.wait()


async def test_without_a_service_the_embedded_database_is_started_for_the_command_and_stopped_again(
    tmp_path: Path,
) -> None:
    var = {"CALLCENTER_VAR": str(tmp_path)}
    code, out, err = await run("token", "create", "--role", "admin", "--json", **var)
    assert code == 0, err
    assert json.loads(out)["role"] == "admin"
    assert not (tmp_path / "main/postgres/data/postmaster.pid").exists()
    code, _, err = await run("db", "upgrade", **var)
    assert code == 0, err


async def test_a_database_out_of_reach_is_a_sentence_and_an_exit_code() -> None:
    url = "postgresql://nobody:hidden@127.0.0.1:9/none"
    code, out, err = await run("events", "tail", CALLCENTER_DATABASE_URL=url)
    assert code == 3
    assert not out
    assert "CALLCENTER_DATABASE_URL" in err
    assert "hidden" not in err
    assert "Traceback" not in err


async def test_an_instant_without_a_zone_is_by_the_sites_clock_on_every_command(center: Center, tmp_path: Path) -> None:
    url = {"CALLCENTER_DATABASE_URL": center.database_url, "CALLCENTER_VAR": str(tmp_path), "TZ": "America/New_York"}
    span = ("--from", "2025-12-06", "--to", "2025-12-06T12:00Z")
    _, out, err = await run("audit", "events", *span, "--cel-optional", "--json", **url)
    assert out, err
    looked_at = json.loads(out)
    begun = (datetime.fromtimestamp(looked_at[name], UTC).isoformat() for name in ("from_at", "to_at"))
    assert list(begun) == ["2025-12-05T16:00:00+00:00", "2025-12-06T12:00:00+00:00"], err
    code, out, err = await run("audit", "events", "--from", "2025-12-06", "--to", "2025-12-05", **url)
    assert (code, out, "--to must be later" in err) == (2, "", True)
    for command in (("audit", "events", "--from"), ("journal", "replay", "--since")):
        code, out, err = await run(*command, "soon", **url)
        assert (code, out, command[-1] in err) == (2, "", True)
