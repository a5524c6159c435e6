"""Pure folds: what the events of a contact or an agent add up to, as the rows of the projection tables.

Rows hold absolute values, so applying one is assignment and a repeated batch changes nothing. A row's fields are
its table's columns; instants are seconds since the epoch, durations seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
from msgspec.structs import replace

from callcenter.contact import events as happened
from callcenter.contact.events import Body, ContactEvent


class Row(msgspec.Struct, frozen=True, gc=False):
    """A row of a projection: cheap to make, for a backlog makes hundreds of thousands."""


class ContactRow(Row, frozen=True, gc=False):
    """One contact. `ended_at` is when the caller's visit ended; `closed` when the work on it did too.

    `last_seq` is the seq of the last event that changed this row; `queue` and `agent_id` are the last ones;
    `answered_at` is the first answer. `wait_s` adds up all queues; `talk_s` is without `hold_s`.
    """

    contact_id: str
    node: str
    direction: str
    channel: str
    caller: str | None
    dialed: str
    customer_id: str | None
    value_tier: str
    language: str
    started_at: float
    last_seq: int
    queue: str | None = None
    agent_id: str | None = None
    answered_at: float | None = None
    ended_at: float | None = None
    end_state: str | None = None
    ended_by: str | None = None
    ivr_s: float = 0.0
    wait_s: float = 0.0
    talk_s: float = 0.0
    hold_s: float = 0.0
    wrap_up_s: float = 0.0
    offers: int = 0
    closed: bool = False
    recording_ids: tuple[str, ...] = ()


class SegmentRow(Row, frozen=True, gc=False):
    """A stretch of a contact in one situation (`kind`): ivr, queue, callback, ring, talk, hold, wrap_up."""

    contact_id: str
    n: int
    node: str
    kind: str
    started_at: float
    queue: str | None = None
    agent_id: str | None = None
    ended_at: float | None = None
    outcome: str | None = None


class RecordingRow(Row, frozen=True, gc=False):
    """A recording of a contact; `state` is recording, done or failed (then `reason` says why)."""

    recording_id: str
    contact_id: str
    node: str
    agent_id: str | None
    started_at: float
    caller_file: str
    agent_file: str
    policy: str
    duration_s: float | None = None
    state: str = "recording"
    reason: str | None = None


class AgentStateRow(Row, frozen=True, gc=False):
    """An agent in one state from `started_at` to `ended_at`; `position` is that of the event that began it."""

    position: int
    node: str
    agent_id: str
    presence: str
    activity: str
    started_at: float
    aux_code: str | None = None
    contact_id: str | None = None
    cause: str = ""
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class AgentChanged:
    """The body of `agent.changed`, as the floor writes it."""

    presence: str
    activity: str
    aux_code: str | None = None
    contact_id: str | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class ContactView:
    """A contact's events so far, added up."""

    contact: ContactRow
    segments: tuple[SegmentRow, ...] = ()
    recordings: tuple[RecordingRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """An event of a contact with its body understood."""

    contact_id: str
    node: str
    seq: int
    at: float
    body: Body


DECODERS: Mapping[str, "msgspec.json.Decoder[Body]"] = {
    body.type: msgspec.json.Decoder(body) for body in get_args(ContactEvent)
}
KINDS = ("ivr", "queue", "callback", "ring", "hold", "talk", "transfer", "wrap_up")
AGENT_CHANGED = "agent.changed"
AGENT_DECODER = msgspec.json.Decoder(AgentChanged)


def body_of(event_type: str, data: bytes | str) -> Body | None:
    """The typed body; None for a type we don't know. Raises msgspec.ValidationError if the body is not that type's."""
    decoder = DECODERS.get(event_type)
    return None if decoder is None else decoder.decode(data)


def fold(view: ContactView | None, fact: Fact) -> ContactView | None:
    """The view after one more event; None as long as the contact has not started."""
    total = Fold(fact.contact_id, fact.node, view)
    total.add(fact.seq, fact.at, fact.body)
    return total.view()


def fold_agent(
    before: AgentStateRow | None, body: AgentChanged, *, agent_id: str, node: str, position: int, at: float
) -> tuple[AgentStateRow | None, AgentStateRow]:
    """The interval that ends with this event, if there was one, and the one that begins."""
    began = AgentStateRow(
        position, node, agent_id, body.presence, body.activity, at, body.aux_code, body.contact_id, body.cause
    )
    return (None if before is None else replace(before, ended_at=max(at, before.started_at))), began


class Fold:
    """A contact's view in the making: any number of events are added to it before a new row is made."""

    __slots__ = ("_before", "_changes", "_contact_id", "_node", "_recordings", "_row", "_segments", "_seq")

    def __init__(self, contact_id: str, node: str, before: ContactView | None) -> None:
        self._contact_id = contact_id
        self._node = node
        self._before = before
        self._row = None if before is None else before.contact
        self._changes: dict[str, Any] = {}
        self._segments: list[SegmentRow] | None = None  # made when something in them changes
        self._recordings: list[RecordingRow] | None = None
        self._seq = 0

    def add(self, seq: int, at: float, body: Body) -> None:
        """One more event; what comes before the contact's start is not counted."""
        self._seq = seq
        if self._row is None:
            if isinstance(body, happened.ContactStarted):
                self._row = _started(body, self._contact_id, self._node, seq, at)
            return
        change = CHANGES.get(type(body))
        if change is not None:
            change(self, body, at)

    def view(self) -> ContactView | None:
        """What it came to: the very view it began with if nothing changed."""
        row = self._row
        if row is None:
            return None
        if self._changes:
            row = replace(row, **self._changes)
        if self._before is not None and row is self._before.contact and not (self._segments or self._recordings):
            return self._before
        return ContactView(row, tuple(self._own_segments()), tuple(self._own_recordings()))

    def __getitem__(self, name: str) -> Any:
        """A field of the contact's row, as it is by now."""
        return self._changes[name] if name in self._changes else getattr(self._row, name)

    def set(self, **changes: Any) -> None:
        """Change the contact's row."""
        self._changes.update(changes, last_seq=self._seq)

    def begin(self, kind: str, at: float, *, queue: str | None = None, agent_id: str | None = None) -> None:
        """A segment begins."""
        segments = self._own_segments()
        segments.append(SegmentRow(self._contact_id, len(segments) + 1, self._node, kind, at, queue, agent_id))

    def end(self, kind: str, at: float, outcome: str, *, agent_id: str | None = None) -> None:
        """Every open segment of that kind ends; with `agent_id`, only theirs."""
        segments = self._own_segments()
        for i, one in enumerate(segments):
            if one.ended_at is None and one.kind == kind and agent_id in {None, one.agent_id}:
                segments[i] = SegmentRow(
                    one.contact_id, one.n, one.node, kind, one.started_at, one.queue, one.agent_id, at, outcome
                )

    def record(self, at: float, body: happened.RecordingStarted) -> None:
        """A recording begins."""
        files = (body.caller_file, body.agent_file)
        row = RecordingRow(body.recording_id, self._contact_id, self._node, self["agent_id"], at, *files, body.policy)
        self._own_recordings().append(row)
        self.set(recording_ids=(*self["recording_ids"], body.recording_id))

    def recorded(self, recording_id: str, **changes: Any) -> None:
        """A recording is done or failed."""
        recordings = self._own_recordings()
        for i, recording in enumerate(recordings):
            if recording.recording_id == recording_id:
                recordings[i] = replace(recording, **changes)

    def _own_segments(self) -> list[SegmentRow]:
        if self._segments is None:
            self._segments = [] if self._before is None else list(self._before.segments)
        return self._segments

    def _own_recordings(self) -> list[RecordingRow]:
        if self._recordings is None:
            self._recordings = [] if self._before is None else list(self._before.recordings)
        return self._recordings


def _started(body: happened.ContactStarted, contact_id: str, node: str, seq: int, at: float) -> ContactRow:
    return ContactRow(
        contact_id=contact_id,
        node=node,
        direction=body.direction,
        channel=body.channel,
        caller=body.caller,
        dialed=body.dialed,
        customer_id=body.customer_id,
        value_tier=body.value_tier,
        language=body.language,
        started_at=at,
        last_seq=seq,
    )


def _begins(kind: str) -> Callable[[Fold, Body, float], None]:
    """A segment that nothing else is said of begins."""
    return lambda total, _, at: total.begin(kind, at)


def _ends(kind: str, outcome: str) -> Callable[[Fold, Body, float], None]:
    return lambda total, _, at: total.end(kind, at, outcome)


def _language_chosen(total: Fold, body: happened.LanguageChosen, _at: float) -> None:
    total.set(language=body.language)


def _customer_verified(total: Fold, body: happened.CustomerVerified, _at: float) -> None:
    total.set(customer_id=body.customer_id)


def _ivr_left(total: Fold, body: happened.IvrLeft, at: float) -> None:
    total.end("ivr", at, body.exit)
    total.set(ivr_s=total["ivr_s"] + body.ivr_s)


def _queue_entered(total: Fold, body: happened.QueueEntered, at: float) -> None:
    total.begin("queue", at, queue=body.queue)
    total.set(queue=body.queue, value_tier=body.value_tier)


def _offer_made(total: Fold, body: happened.OfferMade, at: float) -> None:
    total.begin("ring", at, queue=body.queue, agent_id=body.agent_id)
    total.set(offers=total["offers"] + 1)


def _offer_settled(total: Fold, body: happened.OfferSettled, at: float) -> None:
    total.end("ring", at, body.outcome, agent_id=body.agent_id)


def _queue_left(total: Fold, body: happened.QueueLeft, at: float) -> None:
    total.end("queue", at, body.outcome)
    total.set(wait_s=total["wait_s"] + body.wait_s)


def _callback_waiting(total: Fold, body: happened.CallbackWaiting, at: float) -> None:
    total.begin("callback", at, queue=body.queue)


def _callback_over(total: Fold, body: happened.CallbackOver, at: float) -> None:
    total.end("callback", at, body.why)


def _talk_started(total: Fold, body: happened.TalkStarted, at: float) -> None:
    first = total["answered_at"]
    total.begin("talk", at, queue=total["queue"], agent_id=body.agent_id)
    total.set(agent_id=body.agent_id, answered_at=at if first is None else first)


def _hold_started(total: Fold, body: happened.HoldStarted, at: float) -> None:
    total.begin("hold", at, queue=total["queue"], agent_id=body.agent_id)


def _hold_ended(total: Fold, body: happened.HoldEnded, at: float) -> None:
    total.end("hold", at, "resumed")
    total.set(hold_s=total["hold_s"] + body.hold_s)


def _talk_ended(total: Fold, body: happened.TalkEnded, at: float) -> None:
    total.end("hold", at, "ended")
    total.end("talk", at, "ended")
    total.set(talk_s=body.talk_s, hold_s=body.hold_s)


def _caller_gone(total: Fold, body: happened.CallerGone, at: float) -> None:
    total.set(ended_at=at, ended_by=body.ended_by, end_state=body.end_state)


def _wrap_up_started(total: Fold, body: happened.WrapUpStarted, at: float) -> None:
    total.begin("wrap_up", at, queue=total["queue"], agent_id=body.agent_id)


def _wrap_up_ended(total: Fold, body: happened.WrapUpEnded, at: float) -> None:
    total.end("wrap_up", at, "done")
    total.set(wrap_up_s=total["wrap_up_s"] + body.wrap_up_s)


def _recording_started(total: Fold, body: happened.RecordingStarted, at: float) -> None:
    total.record(at, body)


def _recording_stopped(total: Fold, body: happened.RecordingStopped, _at: float) -> None:
    total.recorded(body.recording_id, state="done", duration_s=body.duration_s)


def _recording_failed(total: Fold, body: happened.RecordingFailed, _at: float) -> None:
    total.recorded(body.recording_id, state="failed", reason=body.reason)


def _contact_ended(total: Fold, body: happened.ContactEnded, at: float) -> None:
    for kind in KINDS:  # what nothing else ended, ends here
        total.end(kind, at, body.end_state)
    total.set(
        ended_at=at if total["ended_at"] is None else total["ended_at"],
        end_state=body.end_state,
        ended_by=body.ended_by,
        wait_s=body.wait_s,
        talk_s=body.talk_s,
        hold_s=body.hold_s,
        wrap_up_s=body.wrap_up_s,
        closed=True,
    )


CHANGES: Mapping[type[Body], Callable[[Fold, Any, float], None]] = {
    happened.IvrEntered: _begins("ivr"),
    happened.LanguageChosen: _language_chosen,
    happened.CustomerVerified: _customer_verified,
    happened.IvrLeft: _ivr_left,
    happened.QueueEntered: _queue_entered,
    happened.OfferMade: _offer_made,
    happened.OfferSettled: _offer_settled,
    happened.QueueLeft: _queue_left,
    happened.CallbackWaiting: _callback_waiting,
    happened.CallbackAnswered: _ends("callback", "answered"),
    happened.CallbackOver: _callback_over,
    happened.TransferAnswered: _begins("transfer"),
    happened.TransferEnded: _ends("transfer", "ended"),
    happened.TalkStarted: _talk_started,
    happened.HoldStarted: _hold_started,
    happened.HoldEnded: _hold_ended,
    happened.TalkEnded: _talk_ended,
    happened.CallerGone: _caller_gone,
    happened.WrapUpStarted: _wrap_up_started,
    happened.WrapUpEnded: _wrap_up_ended,
    happened.RecordingStarted: _recording_started,
    happened.RecordingStopped: _recording_stopped,
    happened.RecordingFailed: _recording_failed,
    happened.ContactEnded: _contact_ended,
}
