"""A flow is changed by API and command line while callers are in it: the next call hears it, nobody loses their way."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from api.app import create_app
from api.server import ApiServer
from api.serving import backend_of
from callcenter.config.site import Site, load_site
from callcenter.contact.model import Phase
from callcenter.db.tokens import Role
from tests.integration.conftest import Figure
from tests.integration.test_live_site import command
from tests.kit.hotline import MENU, NOBODY, Hotline, data, one, open_hotline, settings_for, types
from tests.kit.parts import DEMO_SITE, RealAsterisk
from tests.kit.phone import Phone

pytestmark = pytest.mark.integration

CHOICES, SWAPPED = '2 = "orders", 3 = "activities"', '2 = "activities", 3 = "orders"'
TAKES_EFFECT_S = 5.0


@dataclass(frozen=True)
class Live:
    """A running call center on a folder, with its API."""

    hotline: Hotline
    folder: Path
    port: int
    tokens: dict[str, str]

    async def api(self, method: str, path: str, body: object = None, *, role: str = "admin") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        url = f"http://127.0.0.1:{self.port}/v1/flows{path}"
        async with aiohttp.ClientSession(headers=headers) as http, http.request(method, url, json=body) as answer:
            return answer.status, await answer.json()

    async def cli(self, *arguments: str, role: str = "admin") -> tuple[int, str, str]:
        variables = {"CALLCENTER_API_PORT": str(self.port), "CALLCENTER_TOKEN": self.tokens[role]}
        return await command("flow", *arguments, **variables)

    def text(self) -> str:
        return (self.folder / "flows/main.toml").read_text()

    async def calls(self, trunk: Phone, key: str) -> tuple[str | None, str]:
        """A caller presses a key: the queue they come to, and the version they are stamped with."""
        call = trunk.call(MENU, caller=NOBODY)
        await call.answered()
        await call.press(key)
        queue = (await self.hotline.until_phase(Phase.QUEUED)).queue
        await call.hang_up()
        await self.hotline.nothing_left()
        story = (await self.hotline.stories())[-1]
        return queue, str(data(one(story, "ivr.entered"))["flow_version"])


@pytest.fixture
async def live(tmp_path: Path, asterisk: RealAsterisk, database_url: str) -> AsyncIterator[Live]:
    folder = shutil.copytree(DEMO_SITE, tmp_path / "site")

    async def adapt(site: Site) -> Sequence[str]:
        plan = replace(asterisk.plan, agents=tuple(site.agents), prompts_dir=site.prompts_dir)
        return await asterisk.companion.adapt(plan)

    settings = settings_for(tmp_path).model_copy(update={"site": folder})
    async with open_hotline(tmp_path, asterisk, database_url, load_site(folder), settings, adapt) as hotline:
        await hotline.log_out_all()
        async with _api(hotline) as port:
            tokens = {
                role.value: await hotline.center.tokens.create(role, "test") for role in (Role.ADMIN, Role.SUPERVISOR)
            }
            yield Live(hotline, folder, port, tokens)
    await asterisk.companion.adapt(asterisk.plan)


@asynccontextmanager
async def _api(hotline: Hotline) -> AsyncIterator[int]:
    server = ApiServer(create_app(backend_of(hotline.center)), "127.0.0.1", 0)
    await server.start()
    try:
        assert server.port
        yield server.port
    finally:
        await server.stop()


async def test_a_published_flow_is_heard_by_the_next_call_and_a_caller_in_it_finishes_their_version(
    live: Live, trunk: Phone, figure: Figure
) -> None:
    first = live.hotline.center.flows.in_use["main"].version
    inside = trunk.call(MENU, caller=NOBODY)
    await live.hotline.until_phase(Phase.IVR)
    status, draft = await live.api("PUT", "/main/draft", {"text": live.text().replace(CHOICES, SWAPPED)})
    assert (status, draft["mistakes"], draft["based_on"]) == (200, [], first)
    asked_at = time.monotonic()
    status, published = await live.api("POST", "/main/publish", {"digest": draft["digest"]})
    assert (status, published["version"], published["changed"]) == (200, draft["version"], True)
    assert time.monotonic() - asked_at < TAKES_EFFECT_S
    figure("a flow published after, ms", (time.monotonic() - asked_at) * 1000)
    await inside.press("2")
    assert (await live.hotline.until_phase(Phase.QUEUED)).queue == "orders", "the flow the caller heard"
    await inside.hang_up()
    await live.hotline.nothing_left()
    assert await live.calls(trunk, "2") == ("activities", published["version"])
    status, back = await live.api("POST", "/main/rollback", {"version": first})
    assert (status, back["version"]) == (200, first)
    assert await live.calls(trunk, "2") == ("orders", first)
    stories = await live.hotline.stories()
    stamps = [data(one(story, "ivr.entered"))["flow_version"] for story in stories]
    assert stamps == [first, published["version"], first]
    assert not any("ivr.flow_restarted" in types(story) for story in stories)
    changed = [data(event) for event in await live.hotline.happened() if event.type == "site.changed"]
    assert [(each["cause"], str(published["version"]) in str(each["flows"])) for each in changed][-2:] == [
        ("flow_published", True),
        ("flow_rolled_back", False),
    ]


async def test_a_draft_with_mistakes_is_kept_and_said_and_callers_never_meet_it(live: Live, trunk: Phone) -> None:
    first = live.hotline.center.flows.in_use["main"].version
    broken = (
        live.text().replace('next = "menu"', 'next = "nowhere"').replace('prompts = ["welcome"]', 'prompts = ["hm"]')
    )
    status, draft = await live.api("PUT", "/main/draft", {"text": broken})
    assert status == 200
    assert {mistake["where"] for mistake in draft["mistakes"]} >= {
        "flows.main.nodes.welcome.next",
        "flows.main.nodes.welcome.prompts",
    }
    status, refused = await live.api("POST", "/main/publish")
    assert (status, refused["code"], len(refused["errors"])) == (422, "flow_refused", len(draft["mistakes"]))
    assert await live.calls(trunk, "2") == ("orders", first)
    status, kept = await live.api("GET", "/main/draft", role="supervisor")
    assert (status, kept["text"]) == (200, broken)
    assert (await live.api("DELETE", "/main/draft"))[0] == 200
    assert (await live.api("DELETE", "/main/draft"))[0] == 404


async def test_who_may_only_look_changes_nothing_and_nonsense_is_refused(live: Live) -> None:
    text = {"text": live.text()}
    for method, path, body in (
        ("PUT", "/main/draft", text),
        ("DELETE", "/main/draft", None),
        ("POST", "/main/publish", {}),
        ("POST", "/main/rollback", {}),
    ):
        assert (await live.api(method, path, body, role="supervisor"))[0] == 403, path
    assert (await live.api("PUT", "/..%2Fmain/draft", text))[0] in {404, 422}
    assert (await live.api("PUT", "/ma%20in/draft", text))[0] == 422
    assert (await live.api("PUT", "/main/draft", {"text": "x" * 70_000}))[0] == 413
    assert (await live.api("PUT", "/main/draft", {"text": text["text"], "more": 1}))[0] == 422
    assert (await live.api("PUT", "/main/draft", {"text": "\ud800"}))[0] == 422
    for nonsense in ("\0", "[" * 9_000, "a.b = 1\na.b.c = 2", 'start = "\N{BELL}"'):
        status, draft = await live.api("PUT", "/other/draft", {"text": nonsense})
        assert (status, bool(draft["mistakes"])) == (200, True)
        assert (await live.api("POST", "/other/publish"))[0] == 422
    assert (await live.api("POST", "/main/publish"))[0] == 404
    assert (await live.api("POST", "/main/rollback", {"version": "0" * 16}))[0] == 404
    status, problem = await live.api("POST", "/main/rollback", {})
    assert (status, problem["detail"]) == (
        404,
        "Nothing changed. There is no version of flow main before the one in use.",
    )
    assert (await live.api("POST", "/nobody/rollback", {}))[1]["code"] == "flow_not_found"
    assert (await live.api("GET", "/nobody"))[0] == 404
    assert (await live.api("GET", "/main/versions/" + "0" * 16))[0] == 404
    await live.api("PUT", "/main/draft", text)
    (live.folder / "flows/main.toml").write_text("# by hand")
    status, problem = await live.api("POST", "/main/publish")
    assert (status, problem["code"]) == (409, "flow_not_taken")
    assert "by hand" in problem["detail"]


async def test_the_command_line_drafts_publishes_lists_and_rolls_back(live: Live, tmp_path: Path, trunk: Phone) -> None:
    first = live.hotline.center.flows.in_use["main"].version
    code, text, _ = await live.cli("text", "main")
    assert (code, text) == (0, live.text())
    file = tmp_path / "main.toml"
    file.write_text(text.replace('next = "menu"', 'next = "nowhere"'))
    code, said, _ = await live.cli("draft", str(file))
    assert code == 1
    assert "flows.main.nodes.welcome.next: no such node 'nowhere'" in said
    code, said, _ = await live.cli("publish", "main")
    assert (code, live.hotline.center.flows.in_use["main"].version) == (1, first)
    file.write_text(text.replace(CHOICES, SWAPPED))
    code, said, _ = await live.cli("draft", str(file))
    assert code == 0
    assert "flow publish main" in said
    code, out, _ = await live.cli("publish", "main", "--json")
    second = json.loads(out)["version"]
    assert await live.calls(trunk, "3") == ("orders", second)
    code, said, _ = await live.cli("rollback", "main")
    assert code == 0
    assert first in said
    code, out, _ = await live.cli("versions", "main", "--json", role="supervisor")
    listed = [(each["version"], each["in_use"], each["cause"]) for each in json.loads(out)["items"]]
    assert listed == [
        (first, True, "flow_rolled_back"),
        (second, False, "flow_published"),
        (first, False, "started"),
    ]
    code, old, _ = await live.cli("text", "main", second)
    assert (code, old) == (0, file.read_text())
    code, _, said = await live.cli("rollback", "main", second, role="supervisor")
    assert code == 1
    assert "site:write" in said
    assert (await live.cli("list"))[1].count(first) == 1
    assert await live.calls(trunk, "3") == ("activities", first)


async def test_publishing_while_calls_come_strands_nobody(live: Live, trunk: Phone) -> None:
    text = live.text()

    async def publish() -> None:
        for n in range(8):
            changed = text.replace(CHOICES, SWAPPED) if n % 2 == 0 else text
            assert (await live.api("PUT", "/main/draft", {"text": changed}))[0] == 200
            assert (await live.api("POST", "/main/publish"))[0] == 200

    async def call() -> None:
        caller = trunk.call(MENU, caller=NOBODY)
        await caller.answered()
        await caller.press("2")
        await asyncio.sleep(0.5)
        await caller.hang_up()

    await asyncio.gather(publish(), *(call() for _ in range(8)))
    await live.hotline.nothing_left()
    stories = await live.hotline.stories()
    assert len(stories) == 8
    versions = {live.hotline.center.flows.versions("main")[n].version for n in (0, 1)}
    queue_of: dict[str, set[object]] = {}
    for story in stories:
        assert "ivr.flow_restarted" not in types(story)
        stamp = str(data(one(story, "ivr.entered"))["flow_version"])
        assert stamp in versions
        queue_of.setdefault(stamp, set()).add(data(one(story, "queue.entered"))["queue"])
    assert all(len(queues) == 1 for queues in queue_of.values()), queue_of


async def test_a_caller_finishes_their_version_even_if_the_service_dies_in_between(
    tmp_path: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    folder = shutil.copytree(DEMO_SITE, tmp_path / "site")
    settings = settings_for(tmp_path).model_copy(update={"site": folder})
    async with open_hotline(tmp_path, asterisk, database_url, load_site(folder), settings) as before:
        inside = trunk.call(MENU, caller=NOBODY)
        await before.until_phase(Phase.IVR)
        first = before.center.flows.in_use["main"].version
        text = (folder / "flows/main.toml").read_text()
        await before.center.flows.write("main", text.replace(CHOICES, SWAPPED), "test")
        second = (await before.center.flows.publish("main", "test")).version
        await before.kill()
    async with open_hotline(tmp_path, asterisk, database_url, load_site(folder), settings) as after:
        assert after.center.flows.in_use["main"].version == second
        await inside.hears_sound()
        await inside.press("2")
        assert (await after.until_phase(Phase.QUEUED)).queue == "orders", "the flow the caller heard"
        [contact] = after.contacts
        await inside.hang_up()
        await after.until_ended()
        story = await after.story(contact.contact_id)
        assert data(one(story, "ivr.entered"))["flow_version"] == first
        assert "ivr.flow_restarted" not in types(story)
        later = trunk.call(MENU, caller=NOBODY)
        await later.answered()
        await later.press("2")
        assert (await after.until_phase(Phase.QUEUED)).queue == "activities"
        await later.hang_up()
        await after.nothing_left()
