"""Who is renewed, who is capped, who is forgotten; a real Asterisk's lapse is in tests/contract."""

import asyncio

import pytest

from callcenter.asterisk.faults import LinkDown
from callcenter.asterisk.leases import AT_ONCE_MAX, Leases
from callcenter.asterisk.requests import version_of
from callcenter.errors import ChannelGone

LEASE_S = 30.0
CAP_S = 14_400.0


class Ami:
    """Sets time-outs in memory; can be away, and can know channels as gone."""

    def __init__(self) -> None:
        self.set: list[tuple[str, float]] = []
        self.away = False
        self.gone: set[str] = set()
        self.at_once = 0
        self.at_once_most = 0

    async def absolute_timeout(self, channel: str, seconds: float) -> None:
        self.at_once += 1
        self.at_once_most = max(self.at_once, self.at_once_most)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.away:
            raise LinkDown("away")
        if channel in self.gone:
            raise ChannelGone(channel)
        self.set.append((channel, seconds))


@pytest.fixture
async def ami() -> Ami:
    return Ami()


@pytest.fixture
async def leases(ami: Ami) -> Leases:
    return Leases(ami, lease_s=LEASE_S, cap_s=CAP_S)


async def test_every_round_renews_every_caller_held_a_few_at_a_time(ami: Ami, leases: Leases) -> None:
    callers = [f"c{number}" for number in range(500)]
    for caller in callers:
        leases.hold(caller)
    await leases.round()
    assert ami.set == [(caller, LEASE_S) for caller in callers]
    assert ami.at_once_most == AT_ONCE_MAX


async def test_a_caller_taken_up_from_an_earlier_process_is_renewed_at_once_and_from_then_on(
    ami: Ami, leases: Leases
) -> None:
    await leases.take_up("c1")
    assert ami.set == [("c1", LEASE_S)]
    ami.away = True
    await leases.take_up("c2")  # AMI is not there yet: with the round that follows its return
    ami.away = False
    await leases.round()
    assert ami.set[1:] == [("c1", LEASE_S), ("c2", LEASE_S)]


async def test_a_caller_who_talks_gets_the_cap_and_no_more_renewals(ami: Ami, leases: Leases) -> None:
    leases.hold("c1")
    await leases.cap("c1")
    await leases.round()
    assert ami.set == [("c1", CAP_S)]


async def test_a_caller_who_begins_to_talk_during_a_round_keeps_the_cap(ami: Ami, leases: Leases) -> None:
    callers = [f"c{number}" for number in range(AT_ONCE_MAX + 1)]
    for caller in callers:
        leases.hold(caller)
    last = callers[-1]
    await asyncio.gather(leases.round(), leases.cap(last))
    assert [seconds for caller, seconds in ami.set if caller == last] == [CAP_S]


async def test_a_caller_back_from_talking_is_renewed_again(ami: Ami, leases: Leases) -> None:
    await leases.cap("c1")
    leases.hold("c1")
    await leases.round()
    assert ami.set == [("c1", CAP_S), ("c1", LEASE_S)]


async def test_a_cap_that_could_not_be_set_is_owed_until_it_can(ami: Ami, leases: Leases) -> None:
    ami.away = True
    await leases.cap("c1")
    await leases.round()
    ami.away = False
    await leases.round()
    await leases.round()
    assert ami.set == [("c1", CAP_S)]


async def test_who_is_gone_is_forgotten(ami: Ami, leases: Leases) -> None:
    ami.gone = {"c1"}
    leases.hold("c1")
    leases.hold("c2")
    await leases.round()
    assert leases.held == 1
    leases.forget("c2")
    await leases.round()
    assert ami.set == [("c2", LEASE_S)]


async def test_a_round_starts_at_once_when_ami_is_back(ami: Ami, leases: Leases) -> None:
    leases.hold("c1")
    running = asyncio.create_task(leases.run())
    leases.hurry()
    async with asyncio.timeout(5):
        while not ami.set:  # noqa: ASYNC110 - the fake tells nobody
            await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(
    ("text", "version"),
    [("22.10.1~dfsg+~cs6", (22, 10, 1)), ("20.5.0", (20, 5, 0)), ("certified/18.9", ()), ("GIT-master", ()), ("", ())],
)
def test_a_version_is_read_as_numbers(text: str, version: tuple[int, ...]) -> None:
    assert version_of(text) == version
