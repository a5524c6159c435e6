"""Studio recordings are uploaded, published and removed while calls are up: callers hear what holds."""

import asyncio
import io
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from api.problems import AUDIO_BYTES_MAX
from callcenter.contact.model import Phase
from tests.integration.test_flow_life import Live, live
from tests.integration.test_live_site import command
from tests.kit.hotline import MENU, NOBODY
from tests.kit.phone import Phone
from tests.unit.test_studio import wav

__all__ = ["live"]

pytestmark = pytest.mark.integration

FORMER_HZ, NEW_HZ = 700, 1_100


def tone(hz: int, seconds: float) -> bytes:
    return wav(0.2 * np.sin(2 * np.pi * hz * np.arange(int(seconds * 16_000)) / 16_000), 16_000)


async def prompt(live: Live, *arguments: str, role: str = "admin") -> tuple[int, str, str]:
    variables = {"CALLCENTER_API_PORT": str(live.port), "CALLCENTER_TOKEN": live.tokens[role]}
    return await command("prompt", *arguments, **variables)


async def published(live: Live, file: Path, prompt_id: str) -> None:
    place = ("--id", prompt_id, "--language", "zh-TW")
    code, said, err = await prompt(live, "upload", str(file), *place)
    assert (code, "is kept" in said) == (0, True), err
    code, said, err = await prompt(live, "publish", *place)
    assert (code, "is in use" in said) == (0, True), err


async def test_a_recording_is_heard_by_the_next_caller_and_who_hears_the_former_one_hears_it_to_its_end(
    live: Live, trunk: Phone, tmp_path: Path
) -> None:
    (tmp_path / "former.wav").write_bytes(tone(FORMER_HZ, 12.0))
    (tmp_path / "new.wav").write_bytes(tone(NEW_HZ, 3.0))
    await published(live, tmp_path / "former.wav", "welcome")
    first = trunk.call(MENU, caller=NOBODY)
    await first.hears(FORMER_HZ, within_s=10.0)
    await published(live, tmp_path / "new.wav", "welcome")
    second = trunk.call(MENU, caller="0912345679")
    await second.hears(NEW_HZ, within_s=10.0)
    assert not first.is_over
    await first.hears_no_more(FORMER_HZ, within_s=20.0)
    assert NEW_HZ not in {round(peak.hz / 10) * 10 for peak in first.heard(0.5)}
    for call in (first, second):
        await call.press("2")
    await live.hotline.until_phase(Phase.QUEUED, count=2)
    await asyncio.gather(first.hang_up(), second.hang_up())
    await live.hotline.nothing_left()
    causes = [change.cause.value for change in live.hotline.center.live_site.changes]
    assert causes == ["started", "prompt_published", "prompt_published"]
    kept = live.folder / "prompts/zh-TW/welcome.wav"
    assert 3.0 < (kept.stat().st_size - 44) / 16_000 < 3.3, "it holds after a restart, too"


async def test_prompts_are_listed_and_one_that_something_says_can_not_be_removed(live: Live, tmp_path: Path) -> None:
    (tmp_path / "new.wav").write_bytes(tone(NEW_HZ, 1.0))
    place = ("--id", "for_later", "--language", "zh-TW")
    assert (await prompt(live, "upload", str(tmp_path / "new.wav"), *place))[0] == 0
    listed = (await prompt(live, "list"))[1]
    assert [line.split() for line in listed.splitlines() if "for_later" in line] == [["zh-TW", "for_later", "draft"]]
    assert (await prompt(live, "publish", *place))[0] == 0
    assert "for_later" in live.hotline.center.site.prompts["zh-TW"]
    assert (await prompt(live, "publish", *place))[0] == 1, "the draft is gone"
    assert (await prompt(live, "remove", *place))[0] == 0
    assert "for_later" not in live.hotline.center.site.prompts["zh-TW"]
    assert not (live.folder / "prompts/zh-TW/for_later.wav").exists()
    code, _, err = await prompt(live, "remove", "--id", "welcome", "--language", "zh-TW")
    assert code == 1
    assert "flows.main.nodes.welcome.prompts: no such prompt 'welcome'" in err
    assert (live.folder / "prompts/zh-TW/welcome.wav").exists()


async def test_what_is_no_prompt_is_refused_and_nothing_changes(live: Live, tmp_path: Path) -> None:
    before = live.hotline.center.site.digest
    (tmp_path / "text.wav").write_bytes(b"not audio at all")
    (tmp_path / "good.wav").write_bytes(tone(NEW_HZ, 1.0))
    code, _, err = await prompt(live, "upload", str(tmp_path / "text.wav"), "--id", "welcome", "--language", "en")
    assert (code, "it is no aiff, flac, wav file" in err) == (1, True)
    good = ("upload", str(tmp_path / "good.wav"))
    code, _, err = await prompt(live, *good, "--id", "welcome", "--language", "ja")
    assert (code, "the site has no language 'ja'" in err) == (1, True)
    assert (await prompt(live, *good, "--id", "../welcome", "--language", "en"))[0] == 1
    assert (await prompt(live, *good, "--id", "welcome", "--language", "en", role="supervisor"))[0] == 1
    headers = {"Authorization": f"Bearer {live.tokens['admin']}"}
    url = f"http://127.0.0.1:{live.port}/v1/prompts/en/welcome/draft"
    large = io.BytesIO(bytes(AUDIO_BYTES_MAX + 1))
    async with aiohttp.ClientSession(headers=headers) as http, http.put(url, data=large) as answer:
        assert answer.status == 413
    assert live.hotline.center.prompts.drafts() == []
    assert live.hotline.center.site.digest == before
