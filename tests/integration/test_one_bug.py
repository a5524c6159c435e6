"""A bug met by one contact ends that contact alone: its caller goes to the fallback, the next one is served."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from callcenter.contact.commands import EnterQueue, FloorCommand
from callcenter.contact.model import Phase
from callcenter.floor import Floor
from tests.kit.behaviour import Answer
from tests.kit.hotline import open_hotline, types
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone


async def test_a_caller_whom_the_floor_fails_goes_to_the_fallback_and_the_next_one_is_served(
    var: Path,
    asterisk: RealAsterisk,
    database_url: str,
    trunk: Phone,
    phones: Mapping[str, Phone],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sound = Floor.tell
    unlucky: list[str] = []

    def tell(self: Floor, command: FloorCommand) -> None:
        if isinstance(command, EnterQueue) and not unlucky:
            unlucky.append(command.contact_id)
            raise RuntimeError("a bug, planted")
        sound(self, command)

    monkeypatch.setattr(Floor, "tell", tell)
    async with open_hotline(var, asterisk, database_url) as hotline:
        phones["agent01"].behaviour = Answer()
        await hotline.log_in(phones["agent01"], "agent01")
        first = trunk.call("0800000200", caller="0910000003")
        await first.hears_sound()
        await first.hang_up()
        second = trunk.call("0800000200", caller="0910000004")
        await hotline.until_phase(Phase.TALKING)
        await second.hang_up()
        await hotline.until_ended()
        story = types(await hotline.story(unlucky[0]))
    assert story == [
        "contact.started",
        "routing.decided",
        "queue.entered",
        "contact.failed",
        "caller.left",
        "contact.ended",
    ]
