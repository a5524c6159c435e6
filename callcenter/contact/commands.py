"""What a contact asks of the world: asked, not awaited; the outcome comes back as a signal.

Three addressees. `TelephonyCommand`s go to Asterisk after the step is in the journal; each names the *lanes*
(channel or bridge ids) it touches: commands that share a lane keep their order, others run side by side.
`FloorCommand`s go to the floor at once, for they ask nothing of the world. What a flow asks, of the database, another
system or a recogniser, goes out as a `WorldCommand` when the step is in the journal.
"""

from dataclasses import dataclass

from callcenter.contact.comfort import Told
from ivr.turn import Inquiry
from ivr.turn import Listen as Wanted
from routing.messages import DialOutcome
from routing.model import SoFar
from routing.requirement import Requirement


@dataclass(frozen=True, slots=True)
class TakeCall:
    """Put our id on the caller's channel (CC_CONTACT, CC_ROLE=caller), answer it, and hold its lease."""

    channel_id: str
    contact_id: str


@dataclass(frozen=True, slots=True)
class CapLease:
    """The caller talks to an agent: no more renewals, one long safety cap instead, so that talk outlives us."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class HoldLease:
    """The caller is in our hands alone again (agent gone, back in the queue): renew the lease from now on."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class Say:
    """Play prompts (by id) to the caller in a language, as one playback; ends with PromptEnded(playback_id)."""

    channel_id: str
    playback_id: str
    prompts: tuple[str, ...]
    language: str


@dataclass(frozen=True, slots=True)
class StopSaying:
    """Stop a playback; if it ended by itself meanwhile, that is fine."""

    channel_id: str
    playback_id: str


@dataclass(frozen=True, slots=True)
class StartMusic:
    """Music on hold to one caller until StopMusic; joining them with somebody does not stop it."""

    channel_id: str
    music_class: str


@dataclass(frozen=True, slots=True)
class StopMusic:
    """Stop the music."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class StartRinging:
    """Let one caller hear that a phone rings, until StopRinging."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class StopRinging:
    """Stop that sound."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class RingDesk:
    """Ring the phone of an agent's desk; `leg_id` becomes the channel's id. Answers AgentRinging/Answered/LegEnded.

    `caller_channel` lends its codecs and linkage, empty while nobody is on the line; `caller` and `display` are what
    the phone shows. With `auto_answer` it is asked to pick up by itself.
    """

    leg_id: str
    agent_id: str
    contact_id: str
    caller_channel: str
    caller: str
    display: str
    ring_s: float
    auto_answer: bool = False


@dataclass(frozen=True, slots=True)
class DialOut:
    """Ring a customer by the trunk; `leg_id` becomes the channel's id. Answers CustomerAnswered or CustomerLegEnded.

    `number` is E.164 and was allowed; `shown` is what their phone shows. `dialed` is the hotline they called, for the
    fallback.
    """

    leg_id: str
    contact_id: str
    number: str
    shown: str
    dialed: str
    ring_s: float


@dataclass(frozen=True, slots=True)
class DialOutside:
    """Ring a phone outside by the trunk; `leg_id` becomes the channel's id. Answers OutsideAnswered or OutsideLegEnded.

    `number` is E.164 or an extension, and was allowed; `shown` is what the phone shows. `caller_channel` lends its
    codecs and linkage.
    """

    leg_id: str
    contact_id: str
    caller_channel: str
    number: str
    shown: str
    ring_s: float


@dataclass(frozen=True, slots=True)
class HangUp:
    """End a leg. `reason` is normal, answered_elsewhere, no_answer, busy or congestion."""

    channel_id: str
    reason: str = "normal"


@dataclass(frozen=True, slots=True)
class Join:
    """Make a mixing bridge with the id we chose and put the legs in it.

    `cut_prompt`: a prompt was being said; Asterisk may take a moment to let go of it, and makes this command wait.
    """

    bridge_id: str
    channel_ids: tuple[str, ...]
    cut_prompt: bool = False


@dataclass(frozen=True, slots=True)
class DropBridge:
    """Delete a bridge; legs still in it are left alone."""

    bridge_id: str


@dataclass(frozen=True, slots=True)
class StartRecording:
    """Record both directions of a channel into two aligned mono files (paths relative to the recordings folder)."""

    recording_id: str
    channel_id: str
    caller_file: str
    agent_file: str


@dataclass(frozen=True, slots=True)
class StopRecording:
    """Stop the recordings on a channel."""

    recording_id: str
    channel_id: str


@dataclass(frozen=True, slots=True)
class SendToFallback:
    """Give the caller to Asterisk's fallback dialplan: we can't serve this contact any more."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class SendToVoicemail:
    """Give the caller to Asterisk's dialplan, to leave a message."""

    channel_id: str


TelephonyCommand = (
    TakeCall
    | CapLease
    | HoldLease
    | Say
    | StopSaying
    | StartMusic
    | StopMusic
    | StartRinging
    | StopRinging
    | RingDesk
    | DialOut
    | DialOutside
    | HangUp
    | Join
    | DropBridge
    | StartRecording
    | StopRecording
    | SendToFallback
    | SendToVoicemail
)


@dataclass(frozen=True, slots=True)
class EnterQueue:
    """The contact waits from now on. `value_tier` is the tier's rank, 0 highest.

    `requires` comes on top of the queue's own. `entered_at` counts for the age; `clock_s` is the time that it has
    waited in this queue already, without that in which offers rang. `customer_id` tells the customer if they call
    again: their number (`tel:+…`) if they are unknown, None if that is too. `offers_made` counts the offers this
    contact already had, so that no offer id is used twice. `callback`: nobody is on the line, the customer is to be
    called back, and `so_far` is how far we are with that. `told` is what the caller has heard of their wait here
    already, which the floor may have forgotten since; `slot_begin` the time for which they are booked.
    """

    contact_id: str
    queue: str
    requires: Requirement
    value_tier: int
    entered_at: float
    preferred_agent: str | None = None
    preferred_wait_s: float = 0.0
    customer_id: str | None = None
    clock_s: float = 0.0
    offers_made: int = 0
    callback: bool = False
    so_far: SoFar | None = None
    told: Told | None = None
    slot_begin: float | None = None


@dataclass(frozen=True, slots=True)
class TellWait:
    """How does the contact stand, and how long will it wait? The answer is WaitTold, at once."""

    contact_id: str


@dataclass(frozen=True, slots=True)
class TellSlots:
    """Which of these times (begin, end) are free? The first `offered` are the answer, WorldAnswered, at once."""

    contact_id: str
    request: int
    queue: str
    slots: tuple[tuple[float, float], ...]
    slot_max: int
    offered: int


@dataclass(frozen=True, slots=True)
class BookSlot:
    """Take a place in the time that begins then, if one is free. The answer is WorldAnswered, at once."""

    contact_id: str
    request: int
    queue: str
    begin: float
    slot_max: int


@dataclass(frozen=True, slots=True)
class LeaveQueue:
    """The contact does not wait any more; a pending offer is withdrawn.

    `abandoned`: the caller is gone, or the contact failed; else they are to be called back.
    """

    contact_id: str
    abandoned: bool = True


@dataclass(frozen=True, slots=True)
class TellDialed:
    """How the attempt to reach the customer of a callback went."""

    contact_id: str
    outcome: DialOutcome


@dataclass(frozen=True, slots=True)
class HoldDials:
    """Too few trunks are free to call customers of these value tiers (ranks, 0 highest) back."""

    tiers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SettleOffer:
    """The offer ended: accepted, rejected, no_answer, unreachable, busy, caller_gone, rescinded or failed."""

    offer_id: str
    outcome: str


@dataclass(frozen=True, slots=True)
class FinishTalk:
    """The agent does not talk any more and has `wrap_up_s` seconds of work left on this contact.

    `dropped`: nobody wanted the talk to end, the connection broke; the customer may come back for its rest.
    """

    contact_id: str
    agent_id: str
    wrap_up_s: float
    dropped: bool = False


FloorCommand = (
    EnterQueue | TellWait | TellSlots | BookSlot | LeaveQueue | TellDialed | HoldDials | SettleOffer | FinishTalk
)


@dataclass(frozen=True, slots=True)
class AskWorld:
    """Find an answer for a flow; it comes as WorldAnswered with this `request`, and nobody waits after `within_s`.

    `caller` is the number that calls, E.164, None if it is not known.
    """

    contact_id: str
    request: int
    inquiry: Inquiry
    within_s: float
    caller: str | None


@dataclass(frozen=True, slots=True)
class Listen:
    """Let a recogniser hear this caller, for one of `phrases` or for digits; it ends with SpeechHeard(listening_id)."""

    contact_id: str
    listening_id: str
    channel_id: str
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class StopListening:
    """Nobody hears this caller any more, and nothing is left of it in Asterisk; no SpeechHeard comes."""

    listening_id: str


WorldCommand = AskWorld | Listen | StopListening
Command = TelephonyCommand | FloorCommand | WorldCommand


def lanes(command: TelephonyCommand) -> tuple[str, ...]:
    """The channels and bridges a command touches; commands sharing one are carried out in order."""
    match command:
        case Join(bridge_id, channel_ids):
            return (bridge_id, *channel_ids)
        case DropBridge(bridge_id):
            return (bridge_id,)
        case RingDesk(leg_id) | DialOut(leg_id) | DialOutside(leg_id):
            return (leg_id,)
        case StopSaying(channel_id) | Say(channel_id):
            return (channel_id,)
        case StartRecording(recording_id) | StopRecording(recording_id):
            # MixMonitor goes over AMI and needs no turn on the channel's REST lane.
            return (recording_id,)
        case CapLease(channel_id) | HoldLease(channel_id):
            return (f"{channel_id}/lease",)
        case _:
            return (command.channel_id,)


def subject(command: TelephonyCommand) -> str:
    """The id of what a command is about: the resource it makes, else the channel or bridge it acts on."""
    match command:
        case Say(_, playback_id) | StopSaying(_, playback_id):
            return playback_id
        case StartRecording(recording_id) | StopRecording(recording_id):
            return recording_id
        case RingDesk(leg_id) | DialOut(leg_id) | DialOutside(leg_id):
            return leg_id
        case Join(bridge_id) | DropBridge(bridge_id):
            return bridge_id
        case _:
            return command.channel_id
