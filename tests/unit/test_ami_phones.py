"""Contact events as a real Asterisk 22.10.1 sent them → which desks are reachable."""

from collections.abc import Collection, Sequence

from callcenter.asterisk.ami import Contact
from callcenter.asterisk.phones import Phones
from callcenter.ports import DeviceSeen


def contact_event(uri: str, status: str, desk: str = "agent02") -> dict[str, str]:
    return {"Event": "ContactStatus", "URI": uri, "ContactStatus": status, "AOR": desk, "EndpointName": desk}


class Told:
    def __init__(self) -> None:
        self.news: list[DeviceSeen] = []
        self.phones = Phones(self.news.append)

    def hear(self, *news: tuple[str, str]) -> list[bool]:
        """What was told about agent02 by this news."""
        before = len(self.news)
        for uri, status in news:
            self.phones.heard(contact_event(uri, status))
        return [seen.reachable for seen in self.news[before:]]


async def nobody() -> Collection[str]:
    return ()


def test_a_phone_that_registers_is_told_once() -> None:
    assert Told().hear(("sip:a", "NonQualified"), ("sip:a", "Reachable"), ("sip:a", "Reachable")) == [True]


def test_a_phone_that_moves_to_another_address_is_reachable_throughout() -> None:
    told = Told()
    told.hear(("sip:a", "Reachable"))
    assert told.hear(("sip:b", "NonQualified"), ("sip:a", "Removed"), ("sip:b", "Reachable")) == []


def test_a_phone_that_stops_answering_is_unreachable_until_it_answers_again() -> None:
    told = Told()
    told.hear(("sip:a", "Reachable"))
    assert told.hear(("sip:a", "Unreachable"), ("sip:a", "Reachable"), ("sip:a", "Removed")) == [False, True, False]


def test_other_events_say_nothing_about_phones() -> None:
    told = Told()
    told.phones.heard({"Event": "FullyBooted"})
    assert told.news == []


async def test_a_fresh_list_corrects_what_was_missed_while_ami_was_away() -> None:
    told = Told()
    told.hear(("sip:a", "Reachable"))

    async def contacts() -> Sequence[Contact]:
        return [Contact("agent03", "sip:c", "Reachable"), Contact("agent04", "sip:d", "Unreachable")]

    await told.phones.relearn(contacts, nobody)
    assert told.news[1:] == [DeviceSeen("agent02", False), DeviceSeen("agent03", True)]


async def test_what_is_heard_while_the_list_is_on_its_way_is_newer_than_the_list() -> None:
    told = Told()

    async def contacts() -> Sequence[Contact]:
        told.phones.heard(contact_event("sip:a", "Removed"))
        return [Contact("agent02", "sip:a", "Reachable")]

    await told.phones.relearn(contacts, nobody)
    assert told.news == [DeviceSeen("agent02", True), DeviceSeen("agent02", False)]


async def test_a_desk_with_a_fixed_address_is_reachable_until_asterisk_says_more() -> None:
    told = Told()

    async def contacts() -> Sequence[Contact]:
        return [Contact("agent03", "sip:c", "Unreachable")]

    async def online() -> Collection[str]:
        return {"agent02", "agent03"}

    await told.phones.relearn(contacts, online)
    assert told.news == [DeviceSeen("agent02", True)]
    assert told.hear(("sip:fixed", "Unreachable"), ("sip:fixed", "Reachable")) == [False, True]
