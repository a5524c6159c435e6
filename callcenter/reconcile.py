"""After every connect: what Asterisk has against what we believe; each difference is a signal that must have been lost.

Asterisk never repeats an event. So the truth is asked for, and the contacts hear what they missed through their
ordinary mailboxes, as if it had just happened. Nothing here acts; it only finds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from callcenter.contact import signals as sig
from callcenter.contact.model import Contact, Talk
from callcenter.ports import CallerAtTheDoor, ChannelSeen


@dataclass(slots=True)
class Findings:
    """What a reconcile found.

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


def compare(contacts: Iterable[Contact], channels: Sequence[ChannelSeen], bridges: Sequence[str]) -> Findings:
    """The differences between our live contacts and Asterisk's channels and bridges."""
    found = Findings()
    seen = {channel.channel_id: channel for channel in channels}
    known_channels: set[str] = set()
    known_bridges: set[str] = set()
    for contact in contacts:
        known_channels |= _compare_contact(contact, seen, found)
        if contact.talk is not None:
            known_bridges.add(contact.talk.bridge_id)
    for channel in channels:
        if channel.channel_id in known_channels:
            continue
        if channel.role == "caller" and channel.in_stasis:
            arrival = CallerAtTheDoor(channel.channel_id, channel.dialed, channel.caller, "", answered=channel.up)
            found.arrivals.append(arrival)
        elif channel.role == "agent":
            found.stray_legs.append(channel.channel_id)
    found.stray_bridges = [bridge_id for bridge_id in bridges if bridge_id not in known_bridges]
    return found


def _compare_contact(contact: Contact, seen: dict[str, ChannelSeen], found: Findings) -> set[str]:
    """Add what this contact missed; the ids of the channels that are its own."""
    own: set[str] = set()
    if contact.talk is not None:
        own.add(contact.talk.leg_id)
        if contact.talk.leg_id not in seen:
            found.lost.append((contact.contact_id, sig.AgentLegEnded(contact.talk.leg_id)))
        elif contact.channel_id in seen and _apart(contact.talk, seen[contact.channel_id], seen[contact.talk.leg_id]):
            found.lost.append((contact.contact_id, sig.LegsApart(contact.talk.leg_id)))
    for offer in contact.offers:
        leg_id = offer.offer_id
        own.add(leg_id)
        if leg_id not in seen:
            found.lost.append((contact.contact_id, sig.AgentLegEnded(leg_id)))
        elif seen[leg_id].in_stasis:
            found.lost.append((contact.contact_id, sig.AgentAnswered(leg_id)))
    if contact.channel_id:
        own.add(contact.channel_id)
        caller = seen.get(contact.channel_id)
        if caller is None or not caller.in_stasis:
            by = "unknown" if caller is None else "fallback"
            found.lost.insert(0, (contact.contact_id, sig.CallerLeft(by)))
    return own


def _apart(talk: Talk, caller: ChannelSeen, leg: ChannelSeen) -> bool:
    """Whether two who should talk with each other, and could, are not in their bridge."""
    if not (caller.in_stasis and leg.in_stasis):
        return False
    return any(one.bridge_id not in {None, talk.bridge_id} for one in (caller, leg))
