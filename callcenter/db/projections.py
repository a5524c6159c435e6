"""Pure folds: what the events of a contact or an agent add up to, as the rows of the projection tables.

Rows hold absolute values, so applying one is assignment and a repeated batch changes nothing. A row's fields are
its table's columns; instants are seconds since the epoch, durations seconds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import msgspec

from callcenter.contact import events as happened
from callcenter.contact.events import Body, ContactEvent


@dataclass(frozen=True, slots=True)
class ContactRow:
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


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A stretch of a contact in one situation (`kind`): ivr, queue, ring, talk, hold, wrap_up."""

    contact_id: str
    n: int
    node: str
    kind: str
    started_at: float
    queue: str | None = None
    agent_id: str | None = None
    ended_at: float | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class RecordingRow:
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


@dataclass(frozen=True, slots=True)
class AgentStateRow:
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
AGENT_CHANGED = "agent.changed"
AGENT_DECODER = msgspec.json.Decoder(AgentChanged)


def body_of(event_type: str, data: bytes | str) -> Body | None:
    """The typed body; None for a type we don't know. Raises msgspec.ValidationError if the body is not that type's."""
    decoder = DECODERS.get(event_type)
    return None if decoder is None else decoder.decode(data)


def fold(view: ContactView | None, fact: Fact) -> ContactView | None:
    """The view after one more event; None as long as the contact has not started."""
    if view is None:
        body = fact.body
        return _started(body, fact) if isinstance(body, happened.ContactStarted) else None
    change = CHANGES.get(type(fact.body))
    if change is None:
        return view
    total = _Sum(view)
    change(total, fact.body, fact.at)
    return total.view(fact.seq)


def fold_agent(
    before: AgentStateRow | None, body: AgentChanged, *, agent_id: str, node: str, position: int, at: float
) -> tuple[AgentStateRow | None, AgentStateRow]:
    """The interval that ends with this event, if there was one, and the one that begins."""
    began = AgentStateRow(
        position, node, agent_id, body.presence, body.activity, at, body.aux_code, body.contact_id, body.cause
    )
    return (None if before is None else replace(before, ended_at=max(at, before.started_at))), began


def _started(body: happened.ContactStarted, fact: Fact) -> ContactView:
    return ContactView(
        ContactRow(
            contact_id=fact.contact_id,
            node=fact.node,
            direction=body.direction,
            channel=body.channel,
            caller=body.caller,
            dialed=body.dialed,
            customer_id=body.customer_id,
            value_tier=body.value_tier,
            language=body.language,
            started_at=fact.at,
            last_seq=fact.seq,
        )
    )


class _Sum:
    """A view in the making: one event's changes, made into one new row."""

    __slots__ = ("_changes", "_recordings", "_segments", "row")

    def __init__(self, view: ContactView) -> None:
        self.row = view.contact
        self._changes: dict[str, Any] = {}
        self._segments = list(view.segments)
        self._recordings = list(view.recordings)

    def set(self, **changes: Any) -> None:
        """Change the contact's row."""
        self._changes.update(changes)

    def begin(self, kind: str, at: float, *, queue: str | None = None, agent_id: str | None = None) -> None:
        """A segment begins."""
        n = len(self._segments) + 1
        self._segments.append(SegmentRow(self.row.contact_id, n, self.row.node, kind, at, queue, agent_id))

    def end(self, kind: str, at: float, outcome: str) -> None:
        """Every open segment of that kind ends."""
        for i, segment in enumerate(self._segments):
            if segment.kind == kind and segment.ended_at is None:
                self._segments[i] = replace(segment, ended_at=at, outcome=outcome)

    def record(self, recording: RecordingRow) -> None:
        """A recording begins."""
        self._recordings.append(recording)
        self.set(recording_ids=(*self.row.recording_ids, recording.recording_id))

    def recorded(self, recording_id: str, **changes: Any) -> None:
        """A recording is done or failed."""
        for i, recording in enumerate(self._recordings):
            if recording.recording_id == recording_id:
                self._recordings[i] = replace(recording, **changes)

    def view(self, seq: int) -> ContactView:
        """The view with the changes that event `seq` brought."""
        contact = replace(self.row, **self._changes, last_seq=seq) if self._changes else self.row
        return ContactView(contact, tuple(self._segments), tuple(self._recordings))


def _ivr_entered(total: _Sum, _: happened.IvrEntered, at: float) -> None:
    total.begin("ivr", at)


def _language_chosen(total: _Sum, body: happened.LanguageChosen, _at: float) -> None:
    total.set(language=body.language)


def _ivr_left(total: _Sum, body: happened.IvrLeft, at: float) -> None:
    total.end("ivr", at, body.exit)
    total.set(ivr_s=total.row.ivr_s + body.ivr_s)


def _queue_entered(total: _Sum, body: happened.QueueEntered, at: float) -> None:
    total.begin("queue", at, queue=body.queue)
    total.set(queue=body.queue, value_tier=body.value_tier)


def _offer_made(total: _Sum, body: happened.OfferMade, at: float) -> None:
    total.begin("ring", at, queue=body.queue, agent_id=body.agent_id)
    total.set(offers=total.row.offers + 1)


def _offer_settled(total: _Sum, body: happened.OfferSettled, at: float) -> None:
    total.end("ring", at, body.outcome)


def _queue_left(total: _Sum, body: happened.QueueLeft, at: float) -> None:
    total.end("queue", at, body.outcome)
    total.set(wait_s=total.row.wait_s + body.wait_s)


def _talk_started(total: _Sum, body: happened.TalkStarted, at: float) -> None:
    row = total.row
    total.begin("talk", at, queue=row.queue, agent_id=body.agent_id)
    total.set(agent_id=body.agent_id, answered_at=at if row.answered_at is None else row.answered_at)


def _hold_started(total: _Sum, body: happened.HoldStarted, at: float) -> None:
    total.begin("hold", at, queue=total.row.queue, agent_id=body.agent_id)


def _hold_ended(total: _Sum, body: happened.HoldEnded, at: float) -> None:
    total.end("hold", at, "resumed")
    total.set(hold_s=total.row.hold_s + body.hold_s)


def _talk_ended(total: _Sum, body: happened.TalkEnded, at: float) -> None:
    total.end("hold", at, "ended")
    total.end("talk", at, "ended")
    total.set(talk_s=body.talk_s, hold_s=body.hold_s)


def _caller_gone(total: _Sum, body: happened.CallerGone, at: float) -> None:
    total.set(ended_at=at, ended_by=body.ended_by, end_state=body.end_state)


def _wrap_up_started(total: _Sum, body: happened.WrapUpStarted, at: float) -> None:
    total.begin("wrap_up", at, queue=total.row.queue, agent_id=body.agent_id)


def _wrap_up_ended(total: _Sum, body: happened.WrapUpEnded, at: float) -> None:
    total.end("wrap_up", at, "done")
    total.set(wrap_up_s=total.row.wrap_up_s + body.wrap_up_s)


def _recording_started(total: _Sum, body: happened.RecordingStarted, at: float) -> None:
    row = total.row
    files = (body.caller_file, body.agent_file)
    total.record(RecordingRow(body.recording_id, row.contact_id, row.node, row.agent_id, at, *files, body.policy))


def _recording_stopped(total: _Sum, body: happened.RecordingStopped, _at: float) -> None:
    total.recorded(body.recording_id, state="done", duration_s=body.duration_s)


def _recording_failed(total: _Sum, body: happened.RecordingFailed, _at: float) -> None:
    total.recorded(body.recording_id, state="failed", reason=body.reason)


def _contact_ended(total: _Sum, body: happened.ContactEnded, at: float) -> None:
    for kind in ("ivr", "queue", "ring", "hold", "talk", "wrap_up"):  # what nothing else ended, ends here
        total.end(kind, at, body.end_state)
    total.set(
        ended_at=at if total.row.ended_at is None else total.row.ended_at,
        end_state=body.end_state,
        ended_by=body.ended_by,
        wait_s=body.wait_s,
        talk_s=body.talk_s,
        hold_s=body.hold_s,
        wrap_up_s=body.wrap_up_s,
        closed=True,
    )


CHANGES: Mapping[type[Body], Callable[[_Sum, Any, float], None]] = {
    happened.IvrEntered: _ivr_entered,
    happened.LanguageChosen: _language_chosen,
    happened.IvrLeft: _ivr_left,
    happened.QueueEntered: _queue_entered,
    happened.OfferMade: _offer_made,
    happened.OfferSettled: _offer_settled,
    happened.QueueLeft: _queue_left,
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
