"""Companions on the real parts: Asterisk and PostgreSQL start, are found again, and end as we say."""

import asyncio
import json
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp
import asyncpg
import numpy as np
import pytest

from callcenter.companions.asterisk import AsteriskCompanion
from callcenter.companions.credentials import Credentials
from callcenter.companions.errors import CompanionError, InstanceInUse, PlanError, PortInUse, StartFailed
from callcenter.companions.existing import INCLUDED, write_includes
from callcenter.companions.place import SOCKET_PATH_MAX
from callcenter.companions.plan import AsteriskPlan
from callcenter.companions.postgres import PostgresCompanion
from callcenter.companions.process import until
from tests.kit.behaviour import Reject, RingForEver
from tests.kit.call import Call
from tests.kit.parts import RealAsterisk, plain_config, plan_for, running
from tests.kit.phone import Phone
from tests.kit.registration import RegistrationRefused
from tests.kit.tones import tones_in

pytestmark = pytest.mark.integration
TONE_HZ: Final = 620.0
SILENCE_MAX: Final = 100.0  # of 32767


async def ari_status(asterisk: AsteriskCompanion) -> int:
    async with aiohttp.ClientSession() as session:
        answer = await session.get(f"{asterisk.ari_url}/asterisk/info", headers=basic(asterisk))
        return answer.status


def basic(asterisk: AsteriskCompanion) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(asterisk.ari_user, asterisk.ari_password)}


@asynccontextmanager
async def service_socket(asterisk: AsteriskCompanion) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Connected as the service would be, and doing nothing: a hung service."""
    url = f"{asterisk.ari_url}/events?app=callcenter&subscribeAll=false"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=basic(asterisk)) as events:
        yield events


async def next_start(events: aiohttp.ClientWebSocketResponse, within_s: float) -> list[str]:
    """Arguments of the next call that enters our application."""
    async with asyncio.timeout(within_s):
        while True:
            event = json.loads(await events.receive_str())
            if event["type"] == "StasisStart":
                return [str(argument) for argument in event["args"]]


async def hears_something(call: Call, within_s: float = 5.0) -> None:
    def loud() -> bool:
        samples = np.asarray(call.audio.heard.samples(0.5), dtype=np.float64)
        return len(samples) > 0 and float(np.sqrt(np.mean(samples**2))) > SILENCE_MAX

    assert await until(loud, within_s), "the caller hears silence"


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> AsteriskPlan:
    """One set of ports for all these tests: they run one after the other."""
    return plan_for(tmp_path_factory.mktemp("companions"), "companions")


@pytest.fixture
def plan(tmp_path: Path, ports: AsteriskPlan) -> AsteriskPlan:
    return replace(ports, var=tmp_path)


# ---- Asterisk ----


async def test_a_started_asterisk_answers_and_a_stopped_one_is_gone(plan: AsteriskPlan) -> None:
    async with running(plan) as real:
        assert await ari_status(real.companion) == 200
        pid = real.companion.pid
        assert pid is not None
        await real.companion.stop()
        assert not real.companion.alive()
        assert await until(lambda: not Path(f"/proc/{pid}").exists(), 2.0)
        await real.companion.stop()  # safe to repeat


async def test_asterisk_is_not_root_and_its_passwords_are_its_own_to_read(plan: AsteriskPlan) -> None:
    async with running(plan) as real:
        pid = real.companion.pid
        assert os.stat(f"/proc/{pid}").st_uid != 0  # noqa: PTH116 - no disk is behind it
        etc = real.companion.log_path.parents[1] / "etc"
        assert {path.stat().st_mode & 0o007 for path in etc.iterdir()} == {0}
        assert real.companion.ami_password not in real.companion.log_path.read_text()
        secrets = plan.var / plan.instance / "secrets.json"
        assert secrets.stat().st_mode & 0o777 == 0o600


async def test_a_boot_without_faults_logs_no_error(plan: AsteriskPlan) -> None:
    async with running(plan) as real:
        text = real.companion.log_path.read_text()
        assert "ERROR" not in text
        assert "WARNING" not in text


async def test_two_instances_run_side_by_side_and_one_ends_without_the_other(plan: AsteriskPlan) -> None:
    second = plan_for(plan.var, "second")
    async with running(plan) as one, running(second) as two:
        assert one.companion.sip_password("agent01") != two.companion.sip_password("agent01")
        await one.companion.stop()
        assert await ari_status(two.companion) == 200


@pytest.mark.parametrize(
    ("field", "kind"),
    [("sip_port", socket.SOCK_DGRAM), ("http_port", socket.SOCK_STREAM), ("ami_port", socket.SOCK_STREAM)],
)
async def test_a_port_in_use_is_named_with_the_variable_to_change(
    plan: AsteriskPlan, field: str, kind: socket.SocketKind
) -> None:
    with socket.socket(socket.AF_INET, kind) as stranger:
        stranger.bind(("127.0.0.1", getattr(plan, field)))
        if kind is socket.SOCK_STREAM:
            stranger.listen()
        companion = AsteriskCompanion(plan)
        with pytest.raises(PortInUse, match=f"CALLCENTER_{field.upper()}"):
            await companion.start()
        assert not companion.alive()


async def test_a_missing_module_is_named(plan: AsteriskPlan) -> None:
    without = replace(plan, extra_config={"modules.conf": "noload = app_mixmonitor.so\n"})
    with pytest.raises(StartFailed, match=r"without app_mixmonitor\.so"):
        async with running(without):
            pass


async def test_an_asterisk_without_ari_is_told_as_such(plan: AsteriskPlan) -> None:
    without = replace(plan, extra_config={"modules.conf": "noload = res_ari.so\nnoload = res_ari_model.so\n"})
    with pytest.raises(StartFailed, match="no ARI"):
        async with running(without):
            pass


async def test_an_asterisk_that_gives_up_is_quoted(plan: AsteriskPlan) -> None:
    broken = replace(plan, extra_config={"modules.conf": "require = res_absent.so\n"})
    with pytest.raises(StartFailed, match="res_absent"):
        async with running(broken):
            pass


async def test_only_one_process_looks_after_an_instance(plan: AsteriskPlan) -> None:
    async with running(plan) as real:
        other = AsteriskCompanion(plan)
        with pytest.raises(InstanceInUse, match=str(os.getpid())):
            await other.start()
        await other.stop()
        assert real.companion.alive()


async def test_a_call_survives_our_death_and_the_next_start_finds_it(plan: AsteriskPlan) -> None:
    async with running(replace(plan, extra_config=plain_config())) as real, real.trunk() as caller:
        call = caller.call("echo", tone_hz=TONE_HZ)
        await call.answered()
        pid = real.companion.pid
        await real.companion.leave()
        again = AsteriskCompanion(real.plan)
        await again.start()
        assert again.pid == pid
        assert call.is_up
        await call.hears(TONE_HZ)
        await again.stop()
        assert not again.alive()


async def test_a_new_agent_can_register_while_calls_go_on(plan: AsteriskPlan) -> None:
    small = replace(plan, agents=plan.agents[:2], extra_config=plain_config_for(plan.agents[:2]))
    async with running(small) as real, real.trunk() as caller:
        call = caller.call("echo", tone_hz=TONE_HZ)
        await call.answered()
        pid = real.companion.pid
        await real.companion.leave()
        larger = replace(small, agents=plan.agents[:3])
        again = AsteriskCompanion(larger)
        await again.start()
        try:
            assert again.pid == pid
            async with RealAsterisk(again, larger).phone("agent03") as phone:
                await phone.register()
            await call.hears(TONE_HZ)
        finally:
            await again.stop()


def plain_config_for(agents: tuple[str, ...]) -> dict[str, str]:
    whole = plain_config()
    endpoints = "".join(f"[{name}](+type=endpoint)\ncontext = plain\n" for name in ("trunk", *agents))
    return {**whole, "pjsip.conf": endpoints}


async def test_without_calls_another_configuration_means_another_process(plan: AsteriskPlan) -> None:
    async with running(plan) as real:
        pid = real.companion.pid
        await real.companion.leave()
        again = AsteriskCompanion(replace(plan, lease_s=60))
        await again.start()
        assert again.pid not in {None, pid}
        await again.stop()


async def test_a_killed_asterisk_is_started_anew(plan: AsteriskPlan) -> None:
    async with running(plan) as real:
        pid = real.companion.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert await until(lambda: not real.companion.alive(), 5.0)
        await real.companion.start()
        assert await ari_status(real.companion) == 200


async def test_agents_need_their_password_and_strangers_are_nobody(plan: AsteriskPlan) -> None:
    nobody = replace(plan, trunk_match=("192.0.2.1",))  # so that this machine is not the trunk
    async with running(nobody) as real, real.phone("agent01") as phone, real.trunk("trunk") as stranger:
        await phone.register()
        async with Phone("agent01", real.sip_address, password="guessed") as thief:
            with pytest.raises(RegistrationRefused) as refused:
                await thief.register()
        assert refused.value.status in {401, 403}
        call = stranger.call("0800000100", caller="trunk")
        await call.ended()
        assert call.status == 401


async def test_names_that_could_break_a_file_are_refused(plan: AsteriskPlan) -> None:
    with pytest.raises(PlanError) as caught:
        replace(
            plan, agents=("ok", "a]\n[evil"), app="x,y", sip_host="here", trunk_match=("10.0.0.0/33",), http_port=80
        )
    assert len(caught.value.mistakes) == 6  # the emergency agent is a stranger now, too


# ---- The fallback dialplan, while nobody of ours is there ----


async def test_a_caller_meets_a_voice_at_once_while_the_service_is_away_and_us_when_it_returns(
    plan: AsteriskPlan,
) -> None:
    async with running(plan) as real, real.trunk() as caller:
        call = caller.call("0800000100")
        await call.answered(within_s=3.0)
        await hears_something(call, within_s=3.0)
        async with service_socket(real.companion) as events:
            assert await next_start(events, within_s=20.0) == ["in", "0800000100"]
            assert call.is_up


async def test_a_dialed_number_reaches_us_without_what_is_not_a_number(plan: AsteriskPlan) -> None:
    async with running(plan) as real, real.trunk() as caller, service_socket(real.companion) as events:
        for dialed, told in (("0800,x(evil)", "0800"), ("+886800000100", "+886800000100"), ("$%7BSHELL%7D", "unknown")):
            call = caller.call(f"sip:{dialed}@127.0.0.1:{real.plan.sip_port}")
            assert await next_start(events, within_s=5.0) == ["in", told]
            await call.hang_up()


async def test_a_hung_service_loses_its_lease_and_the_caller_gets_a_person(plan: AsteriskPlan) -> None:
    quick = replace(plan, lease_s=2)
    async with running(quick) as real, real.trunk() as caller, real.phone("agent01", RingForEver()) as phone:
        await phone.register()
        async with service_socket(real.companion):
            call = caller.call("0800000100")
            rescued = await phone.next_call(within_s=40.0)
            await hears_something(call)
            rescued.answer()
            rescued.speak_tone(TONE_HZ)
            await call.hears(TONE_HZ)


async def test_when_nobody_answers_what_the_caller_says_is_kept(plan: AsteriskPlan) -> None:
    quick = replace(plan, lease_s=2)
    async with running(quick) as real, real.trunk() as caller, real.phone("agent01", Reject(486)) as phone:
        await phone.register()
        async with service_socket(real.companion):
            call = caller.call("0800000100", tone_hz=TONE_HZ)
            await phone.next_call(within_s=40.0)
            kept = real.companion.voicemail_dir
            assert await until(lambda: any(path.stat().st_size > 32_000 for path in kept.glob("*.wav")), 40.0)
            await call.hang_up()
        (message,) = kept.glob("*.wav")
        assert any(abs(hz - TONE_HZ) < 10 for hz in tones_in(message))


async def test_an_agents_phone_hears_congestion_while_the_service_is_away(plan: AsteriskPlan) -> None:
    async with running(plan) as real, real.phone("agent01") as phone:
        await phone.register()
        call = phone.call("0912345678")
        await call.ended(within_s=10.0)
        assert call.status == 503


async def test_the_witness_writes_each_call_with_utc_microseconds(plan: AsteriskPlan) -> None:
    async with running(replace(plan, extra_config=plain_config())) as real, real.trunk("0910000001") as caller:
        call = caller.call("echo")
        await call.answered()
        await call.hang_up()
        cel = real.companion.cel_path
        assert await until(lambda: cel.exists() and '"LINKEDID_END"' in cel.read_text(), 5.0)
        lines = [line.split('","') for line in cel.read_text().strip().splitlines()]
        assert {line[0].strip('"') for line in lines} >= {"CHAN_START", "ANSWER", "HANGUP", "CHAN_END"}
        assert all(line[2].startswith(f"{plan.instance}-") for line in lines)
        assert all(re.fullmatch(r"\d{6}\+0000", line[1].partition(".")[2]) for line in lines)


# ---- PostgreSQL ----


async def answer_of(url: str, question: str = "SELECT 1") -> object:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), timeout=5)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_the_embedded_postgres_starts_answers_and_ends(tmp_path: Path) -> None:
    postgres = PostgresCompanion(var=tmp_path)
    await postgres.start()
    try:
        assert int(str(await answer_of(postgres.url, "SHOW server_version_num"))) >= 150000
        assert await answer_of(postgres.url, "SELECT current_database()") == "callcenter"
        assert await answer_of(await postgres.database("second"), "SELECT current_database()") == "second"
        assert postgres.embedded
        assert postgres.alive()
    finally:
        await postgres.stop()
    assert not postgres.alive()


async def test_who_attaches_leaves_a_running_postgres_alone(tmp_path: Path) -> None:
    keeper, guest = PostgresCompanion(var=tmp_path), PostgresCompanion(var=tmp_path)
    await keeper.start()
    try:
        await guest.attach()
        assert await answer_of(guest.url) == 1
        await guest.stop()
        assert keeper.alive()
        with pytest.raises(InstanceInUse):
            await guest.start()
    finally:
        await keeper.stop()


async def test_who_attaches_without_a_service_starts_postgres_and_ends_it(tmp_path: Path) -> None:
    guest = PostgresCompanion(var=tmp_path)
    await guest.attach()
    assert await answer_of(guest.url) == 1
    await guest.stop()
    assert not guest.alive()


async def test_a_postgres_left_by_a_dead_keeper_is_taken_over_and_ended_by_the_next(tmp_path: Path) -> None:
    dead, heir = PostgresCompanion(var=tmp_path), PostgresCompanion(var=tmp_path)
    await dead.start()
    pid = dead.pid
    await dead.leave()
    await heir.start()
    assert heir.pid == pid
    await heir.stop()
    assert not heir.alive()


async def test_a_killed_postgres_recovers_what_was_committed(tmp_path: Path) -> None:
    postgres = PostgresCompanion(var=tmp_path)
    await postgres.start()
    try:
        await answer_of(postgres.url, "CREATE TABLE kept AS SELECT 7 AS it")
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGKILL)
        assert await until(lambda: not postgres.alive(), 5.0)
        await postgres.leave()
        await postgres.start()
        assert await answer_of(postgres.url, "SELECT it FROM kept") == 7
    finally:
        await postgres.stop()


async def test_a_path_too_long_for_a_socket_still_gets_a_database(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * SOCKET_PATH_MAX)
    postgres = PostgresCompanion(var=deep)
    await postgres.start()
    try:
        assert await answer_of(postgres.url) == 1
    finally:
        await postgres.stop()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://root:hush@127.0.0.1/x", "not a PostgreSQL URL"),
        ("postgresql://someone:hush@127.0.0.1:9/x", "can't be reached"),
        ("postgresql://someone:hush@127.0.0.1:not-a-port/x", "can't be reached"),
    ],
)
async def test_a_wrong_database_url_is_told_without_its_password(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(CompanionError, match=told) as caught:
        await PostgresCompanion(var=tmp_path, database_url=url).start()
    assert "CALLCENTER_DATABASE_URL" in str(caught.value)
    assert "hush" not in str(caught.value)


async def test_a_given_server_is_used_and_never_stopped(tmp_path: Path) -> None:
    server = PostgresCompanion(var=tmp_path)
    await server.start()
    try:
        given = PostgresCompanion(var=tmp_path / "other", database_url=server.url)
        await given.start()
        assert not given.embedded
        assert await answer_of(given.url) == 1
        await given.stop()
        assert server.alive()
        with pytest.raises(CompanionError, match="create the database"):
            await PostgresCompanion(var=tmp_path, database_url=server.url.replace("/callcenter?", "/nothing?")).start()
    finally:
        await server.stop()


# ---- Beside an Asterisk that is there already ----


def test_the_files_for_an_existing_asterisk_are_whole_and_private(plan: AsteriskPlan, tmp_path: Path) -> None:
    target = tmp_path / "includes"
    write_includes(plan, Credentials(tmp_path / "secrets.json"), target)
    for name in (*INCLUDED, "callcenter.env"):
        assert "@{" not in (target / name).read_text()
        assert (target / name).stat().st_mode & 0o007 == 0
    named = {line.partition("=")[0] for line in (target / "callcenter.env").read_text().splitlines()}
    assert named >= {f"CALLCENTER_{name.upper()}" for name in ("ari_url", "ari_user", "ari_password", "recordings_dir")}
