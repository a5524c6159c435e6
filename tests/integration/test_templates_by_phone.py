"""What docs/demo.md says to dial and to press, dialed and pressed: every template of the demo site."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from api.demo.data import put
from api.dialing.playlist import playlist_of
from callcenter.clock import AnchoredClock
from callcenter.config.site import load_site
from callcenter.contact.model import Phase
from callcenter.db.engine import make_engine
from callcenter.flow_templates import templates
from tests.kit.hotline import access, data, one, open_hotline, settings_for
from tests.kit.parts import CHECKOUT, DEMO_SITE, RealAsterisk
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

FRIDAY_MORNING = 1_795_140_000.0  # 2026-11-20 10:00 in Taipei
HEARS_S = 30.0

ROW = re.compile(
    r"^\| (?P<dialed>08\d+) \| `(?P<template>\w+)`.*? \| (?P<press>[0-9#, ]+) \| (?P<end>.+) \|$", re.MULTILINE
)
ROWS = [row.groupdict() for row in ROW.finditer((CHECKOUT / "docs/demo.md").read_text())]


def test_the_demo_has_a_number_for_every_template() -> None:
    assert sorted(row["template"] for row in ROWS) == sorted(templates())
    assert {row["dialed"] for row in ROWS} <= load_site(DEMO_SITE).hotlines.keys()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["template"])
async def test_a_person_can_do_each_template_by_phone(
    row: dict[str, str], asterisk: RealAsterisk, database_url: str, tmp_path: Path
) -> None:
    caller = "0910000001"
    promised = re.findall(r"`(\w+)`", row["end"])[0]
    site = replace(load_site(DEMO_SITE), rules=())
    async with (
        playlist_of(access(asterisk.companion)) as playlist,
        asterisk.trunk() as trunk,
        open_hotline(
            tmp_path / "var",
            asterisk,
            database_url,
            site,
            settings_for(tmp_path, node=f"by{row['dialed']}"),
            clock=AnchoredClock(FRIDAY_MORNING),
        ) as live,
    ):
        await live.log_out_all()
        engine = make_engine(database_url)
        await put(engine)
        await engine.dispose()
        call = trunk.call(row["dialed"], caller=caller)
        for n, keys in enumerate(row["press"].split(", "), 1):
            await until(lambda n=n: len(playlist.played) >= n, f"is asked for {keys}", HEARS_S)  # type: ignore[misc]
            await call.press(keys)
        if promised == "self_service":
            await call.ended(within_s=HEARS_S)
            ended = one((await live.stories())[0], "contact.ended")
            assert data(ended)["end_state"] == promised
        else:
            contact = await live.until_phase(Phase.QUEUED, within_s=HEARS_S)
            assert contact.queue == promised
            await call.hang_up()
            await live.until_ended()
        await live.nothing_left()
