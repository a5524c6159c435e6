"""The site changes while callers wait: the next decision obeys, a bad one changes nothing, the old one comes back."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from api.app import create_app
from api.server import ApiServer
from api.serving import backend_of
from callcenter.companions.postgres import PostgresCompanion
from callcenter.config.site import Site, SiteError, load_site
from callcenter.contact.model import Phase
from callcenter.db.queries import EventRow
from callcenter.db.tokens import Role
from tests.kit.behaviour import Answer
from tests.kit.hotline import AGENT_HZ, NOBODY, VIP, Hotline, data, one, open_hotline, outcomes, settings_for, types
from tests.kit.parts import CHECKOUT, DEMO_SITE, RealAsterisk
from tests.kit.phone import Phone
from tests.kit.registration import RegistrationRefused
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

DEMO_STEP = 'requires = "vip >= 3"\nskip_if_unstaffed = true'
ONLY_08 = 'requires = "agent:agent08"'
ONLY_01 = 'requires = "agent:agent01"'
NEWCOMER = '[agent11]\nname = "新人"\nskills = { vip = 9, zh-TW = 5 }\nexperience = 1\nteam = "gold"\n'
OPEN_DOOR = '[door]\ndaily = ["00:00-24:00"]'
CLOSED_DOOR = f"{OPEN_DOOR}\nclosed_now = true"
CALM_S = 0.5
CLI_S = 60.0


@dataclass(frozen=True)
class Folder:
    """The folder of the running site."""

    path: Path

    def replace(self, name: str, old: str, new: str) -> None:
        text = (self.path / name).read_text()
        assert old in text
        (self.path / name).write_text(text.replace(old, new, 1))


@pytest.fixture
async def database_url(postgres: PostgresCompanion) -> str:
    """A database of the test's own: its journal is new, and a journal that begins anew is told by the second."""
    return await postgres.database(f"live_site_{uuid4().hex[:12]}")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A copy of the demo site; its VIP queue is for agent08 alone at first, for a long time."""
    folder = Folder(shutil.copytree(DEMO_SITE, tmp_path / "site"))
    folder.replace("queues.toml", DEMO_STEP, ONLY_08)
    folder.replace("queues.toml", "after_s = 20", "after_s = 100")
    folder.replace("queues.toml", "wrap_up_s = 20", "wrap_up_s = 0.5")
    return folder


@asynccontextmanager
async def opened(folder: Folder, asterisk: RealAsterisk, database_url: str) -> AsyncIterator[Hotline]:
    """The call center on that folder, with an Asterisk that it may change."""

    async def adapt(site: Site) -> Sequence[str]:
        plan = replace(asterisk.plan, agents=tuple(site.agents), prompts_dir=site.prompts_dir)
        return await asterisk.companion.adapt(plan)

    var = folder.path.parent
    settings = settings_for(var).model_copy(update={"site": folder.path})
    async with open_hotline(var, asterisk, database_url, load_site(folder.path), settings, adapt) as hotline:
        await hotline.log_out_all()
        yield hotline


@pytest.fixture
async def live(folder: Folder, asterisk: RealAsterisk, database_url: str) -> AsyncIterator[Hotline]:
    """The call center on the folder; in the end Asterisk is as it was."""
    async with opened(folder, asterisk, database_url) as hotline:
        yield hotline
    await asterisk.companion.adapt(asterisk.plan)


def site_events(events: Sequence[EventRow]) -> list[tuple[object, object, object]]:
    """What happened to the site: digest, the one before, and why."""
    found = [data(event) for event in events if event.stream == "site"]
    return [(each["digest"], each["before"], each["cause"]) for each in found]


async def test_a_step_that_changes_while_a_caller_waits_holds_for_the_next_decision_and_the_old_one_comes_back(
    live: Hotline, folder: Folder, trunk: Phone, phones: Mapping[str, Phone]
) -> None:
    center = live.center
    first = center.site.digest
    phones["agent01"].behaviour = Answer(tone_hz=AGENT_HZ)
    await live.log_in(phones["agent01"], "agent01")
    call = trunk.call(VIP, caller=NOBODY)
    await live.until_phase(Phase.QUEUED)
    await asyncio.sleep(CALM_S)
    assert live.ready("agent01"), "agent01 is idle, and not who the step asks for"

    folder.replace("queues.toml", ONLY_08, ONLY_01)
    taken = await center.live_site.apply("test")
    assert (taken.changed, taken.notes) == (True, ())
    second = center.site.digest
    await (await phones["agent01"].next_call()).answered()
    await live.until_phase(Phase.TALKING)
    await call.hang_up()
    await live.nothing_left()

    back = await center.live_site.roll_back(first, "test")
    assert (back.changed, center.site.digest) == (True, first)
    again = trunk.call(VIP, caller=NOBODY)
    await live.until_phase(Phase.QUEUED)
    await asyncio.sleep(CALM_S)
    assert live.ready("agent01"), "the first site asks for agent08 again"
    await again.hang_up()
    await live.nothing_left()

    served, unserved = await live.stories()
    assert outcomes(served) == [("agent01", "accepted")]
    assert outcomes(unserved) == []
    happened = await live.happened()
    assert site_events(happened)[-2:] == [(second, first, "applied"), (first, second, "rolled_back")]
    assert first != second
    # Every event says which site decided: from each change on, the new one.
    site = first
    for event in happened:
        site = str(data(event)["digest"]) if event.stream == "site" else site
        assert event.site == site, event.type
    assert {event.site for event in served} == {first, second}
    assert "offer.made" in types([event for event in served if event.site == second])


async def test_a_site_with_mistakes_is_refused_with_all_of_them_and_nothing_changes(
    live: Hotline, folder: Folder, trunk: Phone
) -> None:
    before, changes = live.center.site, live.center.live_site.changes
    call = trunk.call(VIP, caller=NOBODY)
    await live.until_phase(Phase.QUEUED)
    folder.replace("queues.toml", ONLY_08, 'requires = "agent:nobody"')
    folder.replace("tiers.toml", "slope = 8", "slope = -1")
    with pytest.raises(SiteError) as refusal:
        await live.center.live_site.apply("test")
    assert [mistake.split(": ")[0] for mistake in refusal.value.mistakes] == [
        "tiers.vip_risk.slope",
        "queues.vip.steps[1].requires",
    ]
    assert live.center.site is before
    assert live.center.live_site.changes == changes
    await live.until_phase(Phase.QUEUED)
    await call.hang_up()
    await live.nothing_left()
    assert "applied" not in {cause for _, _, cause in site_events(await live.happened())}


async def test_an_agent_who_joins_a_running_site_registers_and_serves_and_one_who_leaves_it_is_gone(
    live: Hotline, folder: Folder, trunk: Phone, asterisk: RealAsterisk
) -> None:
    center = live.center
    first = center.site.digest
    folder.replace("queues.toml", ONLY_08, 'requires = "vip >= 9 or agent:agent08"')
    with (folder.path / "agents.toml").open("a") as file:
        file.write(f"\n{NEWCOMER}")
    taken = await center.live_site.apply("test")
    assert taken.notes == ()

    async def serve_and_leave() -> None:
        async with asterisk.phone("agent11") as phone:
            phone.behaviour = Answer(tone_hz=AGENT_HZ)
            await live.log_in(phone, "agent11")
            call, _ = await live.talk(trunk, phone)
            # They leave the site in the middle of a talk: the talk goes on.
            await center.live_site.roll_back(first, "test")
            await asyncio.sleep(CALM_S)
            await live.until_phase(Phase.TALKING)
            await call.hang_up()
            await live.nothing_left()

    with pytest.raises(RegistrationRefused):  # as the phone says goodbye: Asterisk knows it no more
        await serve_and_leave()
    (story,) = await live.stories()
    assert outcomes(story) == [("agent11", "accepted")]
    assert "agent11" not in {agent.agent_id for agent in live.agents}
    assert "agent11" not in center.site.agents


async def test_a_caller_in_a_flow_that_changes_finishes_it_as_it_was(
    live: Hotline, folder: Folder, trunk: Phone
) -> None:
    call = trunk.call("0800000100", caller=NOBODY)
    await live.until_phase(Phase.IVR)
    folder.replace("flows/main.toml", '2 = "orders", 3 = "activities"', '2 = "activities", 3 = "orders"')
    await live.center.live_site.apply("test")
    await call.press("2")
    waiting = await live.until_phase(Phase.QUEUED)
    assert waiting.queue == "orders", "the flow the caller heard"
    await call.hang_up()
    await live.nothing_left()
    later = trunk.call("0800000100", caller=NOBODY)
    await live.until_phase(Phase.IVR)
    await later.answered()
    await later.press("2")
    assert (await live.until_phase(Phase.QUEUED)).queue == "activities"
    await later.hang_up()
    await live.nothing_left()
    first, second = await live.stories()
    assert "ivr.flow_restarted" not in types(first)
    versions = [data(one(story, "ivr.entered"))["flow_version"] for story in (first, second)]
    assert versions[0] != versions[1]


async def test_what_is_learned_of_a_customer_decides_about_their_next_call(
    live: Hotline, folder: Folder, trunk: Phone
) -> None:
    folder.replace("customers.toml", 'name = "周志偉"', 'name = "周志偉"\ncase_owner = "agent01"')
    await live.center.live_site.apply("test")
    call = trunk.call(VIP, caller="0910000003")
    await live.until_phase(Phase.QUEUED)
    await call.hang_up()
    await live.nothing_left()
    (story,) = await live.stories()
    decided = data(one(story, "routing.decided"))
    assert (decided["preferred_agent"], decided["preferred_wait_s"]) == ("agent01", 15.0)


async def test_a_queue_whose_hours_end_takes_nobody_more_and_opens_again(
    live: Hotline, folder: Folder, trunk: Phone
) -> None:
    folder.replace("queues.toml", 'exit = { to = "queue:product"', 'hours = "door"\nexit = { to = "queue:product"')
    folder.replace("queues.toml", "sl_s = 10", 'sl_s = 10\nclosed_exit = "queue:product"')
    with (folder.path / "calendars.toml").open("a") as file:
        file.write(f"\n{OPEN_DOOR}\n")
    await live.center.live_site.apply("test")
    assert live.center.floor.closings("vip") == ()
    folder.replace("calendars.toml", OPEN_DOOR, CLOSED_DOOR)
    await live.center.live_site.apply("test")
    assert [closing.reason for closing in live.center.floor.closings("vip")] == ["hours"]
    call = trunk.call(VIP, caller=NOBODY)
    await until(lambda: [contact.queue for contact in live.contacts] == ["product"], "the caller is in product advice")
    await call.hang_up()
    await live.nothing_left()
    folder.replace("calendars.toml", CLOSED_DOOR, OPEN_DOOR)
    await live.center.live_site.apply("test")
    again = trunk.call(VIP, caller=NOBODY)
    assert (await live.until_phase(Phase.QUEUED)).queue == "vip"
    await again.hang_up()
    await live.nothing_left()


async def test_after_a_restart_the_folder_holds_and_a_difference_is_recorded(
    folder: Folder, asterisk: RealAsterisk, database_url: str
) -> None:
    async with opened(folder, asterisk, database_url) as hotline:
        first = hotline.center.site.digest
        folder.replace("queues.toml", ONLY_08, ONLY_01)
        await hotline.center.live_site.apply("test")
        second = hotline.center.site.digest
        await hotline.center.live_site.roll_back(first, "test")
        await hotline.written()
    async with opened(folder, asterisk, database_url) as hotline:
        assert hotline.center.site.digest == second, "the folder's, though the first was in use"
        causes = [(change.digest, change.cause.value) for change in hotline.center.live_site.changes]
        await hotline.written()
        node, position = hotline.center.settings.node, hotline.center.journal.position
        recorded = site_events(await hotline.center.queries.events_after(node, position - 5, 5))[-1:]
    expected = [(first, "started"), (second, "applied"), (first, "rolled_back"), (second, "started")]
    assert causes == expected
    assert recorded == [(second, first, "started")]
    await asterisk.companion.adapt(asterisk.plan)


# ---- From outside: the API and the command line ----


async def command(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """`callcenter …`: exit code, stdout, stderr."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLCENTER_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", *arguments),
        cwd=CHECKOUT,
        env={**clean, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), CLI_S)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_command_line_applies_shows_lists_and_rolls_back(live: Hotline, folder: Folder) -> None:
    first = live.center.site.digest
    server = ApiServer(create_app(backend_of(live.center)), "127.0.0.1", 0)
    await server.start()
    variables = {
        "CALLCENTER_API_PORT": str(server.port),
        "CALLCENTER_TOKEN": await live.center.tokens.create(Role.ADMIN, "test"),
    }
    looking = await live.center.tokens.create(Role.SUPERVISOR, "test")

    async def run(*arguments: str, **more: str) -> tuple[int, Any]:
        code, out, _ = await command("site", *arguments, "--json", **{**variables, **more})
        return code, json.loads(out)

    try:
        assert (await run("show"))[1]["digest"] == first
        folder.replace("queues.toml", ONLY_08, ONLY_01)
        code, applied = await run("apply")
        assert (code, applied["changed"], applied["change"]["by"]) == (0, True, "admin")
        second = live.center.site.digest
        assert applied["change"]["digest"] == second
        code, again = await run("apply")
        assert (code, again["changed"]) == (0, False)
        code, back = await run("rollback")
        assert (code, back["change"]["digest"], live.center.site.digest) == (0, first, first)
        _, listed = await run("history")
        assert [change["digest"] for change in listed["items"][:2]] == [first, second]

        folder.replace("queues.toml", ONLY_01, 'requires = "agent:agent99"')
        code, refused = await run("apply")
        assert (code, live.center.site.digest) == (1, first)
        assert refused["mistakes"] == ["queues.vip.steps[1].requires: no such agent 'agent99'; did you mean 'agent09'?"]
        assert (await run("rollback", "0" * 16))[0] == 1
        code, refused = await run("rollback", "../../etc")
        assert (code, refused["mistakes"], refused["error"].startswith("digest: ")) == (1, [], True)
        # A supervisor may look, and nothing else.
        assert (await run("show", CALLCENTER_TOKEN=looking))[0] == 0
        code, forbidden = await run("rollback", second, CALLCENTER_TOKEN=looking)
        assert code == 1
        assert "site:write" in forbidden["error"]
        code, unknown = await run("show", CALLCENTER_TOKEN="cc_" + "A" * 43)
        assert (code, "'callcenter token create" in unknown["error"], "Bearer" in unknown["error"]) == (1, True, False)
    finally:
        await server.stop()
    code, _, said = await command("site", "show", **variables)
    assert code == 4
    assert "callcenter run" in said
