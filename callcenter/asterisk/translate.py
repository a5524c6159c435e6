"""ARI's events → signals in our words. The only file that knows both vocabularies.

What tells who: only a caller's channel carries Asterisk's own id; the id of an agent's leg is `<contact_id>.o<n>`, that
of a phone outside `<contact_id>.x<n>`, that of a customer whom we called `<contact_id>.c<n>`, and once they picked up
they are a caller like any other.

What tells why a caller left: a hang-up is announced by ChannelHangupRequest before StasisEnd, `soft` when we asked for
it; a StasisEnd without it means that the dialplan took the caller (the lease lapsed, or we sent them there). A prompt
that a caller's hang-up ends is told before StasisEnd too: it has not been said to its end.
"""

import re
from dataclasses import dataclass

from callcenter.asterisk import events as ari
from callcenter.asterisk.decode import Unknown
from callcenter.contact.signals import (
    AgentAnswered,
    AgentHeld,
    AgentLegEnded,
    AgentResumed,
    AgentRinging,
    CallerLeft,
    CustomerAnswered,
    CustomerLegEnded,
    DigitPressed,
    OutsideAnswered,
    OutsideLegEnded,
    PromptEnded,
    Signal,
)
from callcenter.ports import CallerAtTheDoor, ChannelSeen

# What we ask Asterisk to send; everything else stays there. Half of an unfiltered call is ChannelVarset.
ALLOWED = (
    "ChannelDestroyed",
    "ChannelDtmfReceived",
    "ChannelHangupRequest",
    "ChannelHold",
    "ChannelUnhold",
    "Dial",
    "PlaybackFinished",
    "StasisEnd",
    "StasisStart",
)

# Announced hang-ups whose StasisEnd has not come yet; each lives for milliseconds.
HANG_UPS_MAX = 10_000

_OURS = re.compile(r"[0-9a-f-]{36}\.[a-z]\d+")
_LEG = re.compile(r"[0-9a-f-]{36}\.o\d+")
_OUTSIDE = re.compile(r"[0-9a-f-]{36}\.x\d+")
_EAR = re.compile(r"[0-9a-f-]{36}\.[sm]\d+")
_CALLED = re.compile(r"[0-9a-f-]{36}\.c\d+")


@dataclass(frozen=True, slots=True)
class Addressed:
    """A signal and the channel or playback it belongs to."""

    resource_id: str
    signal: Signal


@dataclass(frozen=True, slots=True)
class LeftStasis:
    """A caller is not in our hands any more: the signal, and an end to the lease."""

    channel_id: str
    signal: CallerLeft


@dataclass(frozen=True, slots=True)
class Stranger:
    """A channel came into our application that we neither invited nor serve; somebody must show it out."""

    channel_id: str
    args: tuple[str, ...]


Heard = CallerAtTheDoor | Addressed | LeftStasis | Stranger


def is_ours(resource_id: str) -> bool:
    """Whether we chose this id (`<contact_id>.b1`), as opposed to Asterisk (`n1-1763760000.12`)."""
    return _OURS.fullmatch(resource_id) is not None


def is_leg(channel_id: str) -> bool:
    """Whether this is an agent's leg, by the id we gave it."""
    return _LEG.fullmatch(channel_id) is not None


def is_outside(channel_id: str) -> bool:
    """Whether this is the leg of a phone outside, by the id we gave it."""
    return _OUTSIDE.fullmatch(channel_id) is not None


def is_called(channel_id: str) -> bool:
    """Whether this is the leg of a customer whom we called, by the id we gave it."""
    return _CALLED.fullmatch(channel_id) is not None


def is_ear(channel_id: str) -> bool:
    """Whether a recogniser hears a caller by this channel (`ears`), by the id we gave it."""
    return _EAR.fullmatch(channel_id) is not None


class Translator:
    """Translates the events of one connection; remembers announced hang-ups until the channel has left."""

    def __init__(self) -> None:
        self._hang_ups: dict[str, CallerLeft] = {}

    def forget(self) -> None:
        """Start over: what was announced on a lost connection may never be told."""
        self._hang_ups.clear()

    def heard(self, event: ari.Event | Unknown) -> Heard | None:
        """What an event means to us; None if nothing."""
        match event:
            case ari.StasisStart():
                return _entered(event)
            case ari.StasisEnd(channel=channel):
                return self._left(channel.id)
            case ari.ChannelHangupRequest():
                self._announced(event)
                return None
            case ari.ChannelDestroyed():
                return self._destroyed(event)
            case ari.Dial(peer=peer, dialstatus="RINGING" | "PROGRESS") if is_leg(peer.id):
                return Addressed(peer.id, AgentRinging(peer.id))
            case ari.ChannelDtmfReceived(channel=channel) if not _serves(channel.id):
                return Addressed(channel.id, DigitPressed(event.digit))
            case ari.PlaybackFinished(playback=playback) if not self._hangs_up(playback.target_uri):
                return Addressed(playback.id, PromptEnded(playback.id, failed=playback.state == "failed"))
            case ari.ChannelHold(channel=channel) if is_leg(channel.id):
                return Addressed(channel.id, AgentHeld(channel.id))
            case ari.ChannelUnhold(channel=channel) if is_leg(channel.id):
                return Addressed(channel.id, AgentResumed(channel.id))
            case _:
                return None

    def _announced(self, event: ari.ChannelHangupRequest) -> None:
        channel_id = event.channel.id
        if _serves(channel_id) or len(self._hang_ups) >= HANG_UPS_MAX:
            return
        # The cause of a soft hang-up is a flag of Asterisk's own (32), not Q.850.
        signal = CallerLeft("system") if event.soft else CallerLeft("caller", cause=event.cause or 0)
        self._hang_ups.setdefault(channel_id, signal)

    def _hangs_up(self, target_uri: str) -> bool:
        """Whether the caller to whom a prompt was played hung up, and StasisEnd is about to come."""
        announced = self._hang_ups.get(target_uri.removeprefix("channel:"))
        return announced is not None and announced.by == "caller"

    def _destroyed(self, event: ari.ChannelDestroyed) -> Addressed | None:
        channel_id, cause, sip = event.channel.id, event.cause, event.tech_cause or 0
        if is_leg(channel_id):
            return Addressed(channel_id, AgentLegEnded(channel_id, cause, sip))
        if is_outside(channel_id):
            return Addressed(channel_id, OutsideLegEnded(channel_id, cause, sip))
        if is_called(channel_id):
            self._hang_ups.pop(channel_id, None)  # who never picked up leaves no Stasis
            return Addressed(channel_id, CustomerLegEnded(channel_id, cause, sip))
        return None

    def _left(self, channel_id: str) -> LeftStasis | None:
        if _serves(channel_id):
            return None  # ChannelDestroyed follows and knows the cause
        return LeftStasis(channel_id, self._hang_ups.pop(channel_id, CallerLeft("fallback")))


def _serves(channel_id: str) -> bool:
    """Whether this is nobody who calls: the leg of somebody whom a caller is to talk with, or a recogniser's ear."""
    return is_leg(channel_id) or is_outside(channel_id) or is_ear(channel_id)


def _entered(event: ari.StasisStart) -> Heard | None:
    channel = event.channel
    if is_ear(channel.id):
        return None  # whoever made it waits for it
    if is_outside(channel.id):
        return Addressed(channel.id, OutsideAnswered(channel.id))
    if is_leg(channel.id):
        return Addressed(channel.id, AgentAnswered(channel.id))
    if is_called(channel.id) and event.args[:1] == ["customer"]:  # else they come back from the fallback
        return Addressed(channel.id, CustomerAnswered(channel.id))
    if event.args[:1] == ["in"]:
        dialed = event.args[1] if len(event.args) > 1 else channel.dialplan.exten
        caller = channel.caller
        return CallerAtTheDoor(channel.id, dialed, caller.number, caller.name, answered=channel.state == "Up")
    return Stranger(channel.id, tuple(event.args))


def channel_seen(channel: ari.Channel, app: str) -> ChannelSeen:
    """A channel in our words; its role is '' when it has nothing to do with us."""
    variables = channel.channelvars or {}
    contact_id = str(variables.get("CC_CONTACT") or "")
    app_data = channel.dialplan.app_data.split(",")
    in_stasis = channel.dialplan.app_name == "Stasis" and app_data[0] == app
    came_in = in_stasis and app_data[1:2] == ["in"]
    # By id and arguments before the variable: a caller whom we lost before TakeCall carries no variables yet.
    ours = "agent" if is_leg(channel.id) else "ear" if is_ear(channel.id) else ""
    role = ours or ("caller" if came_in else str(variables.get("CC_ROLE") or ""))
    return ChannelSeen(
        channel_id=channel.id,
        contact_id=contact_id,
        role=role,
        in_stasis=in_stasis,
        up=channel.state == "Up",
        dialed=app_data[2] if came_in and len(app_data) > 2 else channel.dialplan.exten,
        caller=channel.caller.number,
    )
