"""After every connect: what Asterisk has against what we believe; each difference is a signal that must have been lost.

Asterisk never repeats an event. So the truth is asked for, and the contacts hear what they missed through their
ordinary mailboxes, as if it had just happened, or as of when it did where Asterisk's own account tells. Nothing here
acts; it only finds.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from callcenter.contact import signals as sig
from callcenter.contact.model import Contact, ear_channels
from callcenter.ports import CallerAtTheDoor, ChannelEnded, ChannelSeen


@dataclass(slots=True)
class Findings:
    """What a reconcile, or a look beside the running service (drift.py), found.

    `lost`: signals by contact, in order. `arrivals`: callers in our hands that no contact knows. `stray_legs`,
    `stray_bridges`: ours by their id, of no live contact.
    """

    lost: list[tuple[str, sig.Signal]] = field(default_factory=list)
    arrivals: list[CallerAtTheDoor] = field(default_factory=list)
    stray_legs: list[str] = field(default_factory=list)
    stray_bridges: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many differences there were; 0 in a healthy service."""
        return len(self.lost) + len(self.arrivals) + len(self.stray_legs) + len(self.stray_bridges)

    def also_in(self, earlier: "Findings") -> "Findings":
        """What an earlier look found already."""
        known = {caller.channel_id for caller in earlier.arrivals}
        return Findings(
            lost=[each for each in self.lost if each in earlier.lost],
            arrivals=[caller for caller in self.arrivals if caller.channel_id in known],
            stray_legs=[leg_id for leg_id in self.stray_legs if leg_id in earlier.stray_legs],
            stray_bridges=[bridge_id for bridge_id in self.stray_bridges if bridge_id in earlier.stray_bridges],
        )

    def told(self) -> list[str]:
        """Each difference as one line."""
        return [
            *(f"{contact_id}: {signal}" for contact_id, signal in self.lost),
            *(f"{caller.channel_id}: a caller without a contact" for caller in self.arrivals),
            *(f"{leg_id}: a leg without a contact" for leg_id in self.stray_legs),
            *(f"{bridge_id}: a bridge without a contact" for bridge_id in self.stray_bridges),
        ]


def compare(
    contacts: Iterable[Contact],
    channels: Sequence[ChannelSeen],
    bridges: Sequence[str],
    *,
    ending: Collection[str] = (),
) -> Findings:
    """The differences between our live contacts and Asterisk's channels and bridges.

    `ending`: channels whose end is about to be told by an event, which knows who ended it and why.
    """
    found = Findings()
    seen = {channel.channel_id: channel for channel in channels}
    known_channels: set[str] = set()
    known_bridges: set[str] = set()
    for contact in contacts:
        known_channels |= _compare_contact(contact, seen, found, ending)
        known_bridges |= {bridge_id for _, bridge_id in _joined(contact)}
        if contact.listening_id is not None:
            known_bridges.add(contact.listening_id)
            known_channels |= set(ear_channels(contact.listening_id))
    for channel in channels:
        if channel.channel_id in known_channels:
            continue
        if channel.role == "caller" and channel.in_stasis:
            arrival = CallerAtTheDoor(channel.channel_id, channel.dialed, channel.caller, "", answered=channel.up)
            found.arrivals.append(arrival)
        elif channel.role in {"agent", "customer", "outside", "ear"}:
            found.stray_legs.append(channel.channel_id)
    found.stray_bridges = [bridge_id for bridge_id in bridges if bridge_id not in known_bridges]
    return found


class Late(NamedTuple):
    """A signal for a contact, told late; `at` is when it happened, None if nobody can tell."""

    contact_id: str
    signal: sig.Signal
    at: float | None


def gone(found: Findings, contacts: Iterable[Contact]) -> dict[str, float]:
    """The channels whose end was lost, each with an instant at which it was certainly there."""
    known = {contact.contact_id: contact for contact in contacts}
    return {
        channel_id: known[contact_id].last_at
        for contact_id, signal in found.lost
        if contact_id in known and (channel_id := _channel(signal, known[contact_id]))
    }


def witnessed(found: Findings, contacts: Iterable[Contact], ended: Mapping[str, ChannelEnded]) -> list[Late]:
    """The lost signals with what Asterisk's account says of their channels, in the order in which they happened."""
    known = {contact.contact_id: contact for contact in contacts}
    told = []
    for contact_id, signal in found.lost:
        account = ended.get(_channel(signal, known[contact_id])) if contact_id in known else None
        told.append(Late(contact_id, signal, None) if account is None else _corrected(contact_id, signal, account))
    return sorted(told, key=lambda late: math.inf if late.at is None else late.at)


def _channel(signal: sig.Signal, contact: Contact) -> str:
    """The channel whose end this signal tells; '' for other signals."""
    match signal:
        case sig.CallerLeft():
            return contact.channel_id
        case sig.AgentLegEnded(leg_id) | sig.CustomerLegEnded(leg_id) | sig.OutsideLegEnded(leg_id):
            return leg_id
        case _:
            return ""


def _corrected(contact_id: str, signal: sig.Signal, account: ChannelEnded) -> Late:
    match signal:
        case sig.CallerLeft():
            return Late(contact_id, sig.CallerLeft(account.by, account.cause), account.at)
        case sig.AgentLegEnded() | sig.CustomerLegEnded() | sig.OutsideLegEnded():
            return Late(contact_id, replace(signal, cause=account.cause), account.at)
        case _:
            return Late(contact_id, signal, None)


def _compare_contact(
    contact: Contact, seen: dict[str, ChannelSeen], found: Findings, ending: Collection[str]
) -> set[str]:
    """Add what this contact missed; the ids of the channels that are its own."""
    own: set[str] = set()

    def lost(resource_id: str, signal: sig.Signal) -> None:
        if resource_id not in ending:
            found.lost.append((contact.contact_id, signal))

    if contact.channel_id:
        own.add(contact.channel_id)
        caller = seen.get(contact.channel_id)
        if caller is None or not caller.in_stasis:
            lost(contact.channel_id, sig.CallerLeft("unknown" if caller is None else "fallback"))
    for leg_id, ended, answered in _phones(contact):
        own.add(leg_id)
        if leg_id not in seen:
            lost(leg_id, ended)
        elif seen[leg_id].in_stasis and answered is not None:
            lost(leg_id, answered)
    for leg_id, bridge_id in _joined(contact):
        if contact.channel_id in seen and leg_id in seen and _apart(bridge_id, seen[contact.channel_id], seen[leg_id]):
            lost(leg_id, sig.LegsApart(leg_id))
    return own


def _joined(contact: Contact) -> Iterator[tuple[str, str]]:
    """Whom the caller is to talk with: their leg, and the bridge that both are to be in."""
    if contact.talk is not None:
        yield contact.talk.leg_id, contact.talk.bridge_id
    if contact.outside is not None and contact.outside.bridge_id is not None:
        yield contact.outside.leg_id, contact.outside.bridge_id


def _phones(contact: Contact) -> Iterator[tuple[str, sig.Signal, sig.Signal | None]]:
    """The legs beside the caller's, each with its end and its answer; None for those that have answered already."""
    if contact.talk is not None:
        yield contact.talk.leg_id, sig.AgentLegEnded(contact.talk.leg_id), None
    for offer in contact.offers:
        yield offer.offer_id, sig.AgentLegEnded(offer.offer_id), sig.AgentAnswered(offer.offer_id)
    outside = contact.outside
    if outside is not None:
        answered = None if outside.joined_at is not None else sig.OutsideAnswered(outside.leg_id)
        yield outside.leg_id, sig.OutsideLegEnded(outside.leg_id), answered
    callback = contact.callback
    if callback is not None and callback.agent_leg is not None:
        yield callback.agent_leg, sig.AgentLegEnded(callback.agent_leg), None
    if callback is not None and callback.leg_id is not None:
        yield callback.leg_id, sig.CustomerLegEnded(callback.leg_id), sig.CustomerAnswered(callback.leg_id)


def _apart(bridge_id: str, caller: ChannelSeen, leg: ChannelSeen) -> bool:
    """Whether two who should talk with each other, and could, are not in their bridge."""
    if not (caller.in_stasis and leg.in_stasis):
        return False
    return any(one.bridge_id not in {None, bridge_id} for one in (caller, leg))
