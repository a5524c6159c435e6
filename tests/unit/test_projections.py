"""What a contact's events add up to, told in small histories."""

from callcenter.contact import events as ev
from callcenter.db.projections import AgentChanged, ContactView, Fact, body_of, fold, fold_agent
from tests.database import AT, contact_id, served

ID = contact_id(1)
STARTED = ev.ContactStarted("inbound", "phone", "ch1", None, "anonymous", "0800000100", None, "basic", "zh-TW")


def after(*bodies: ev.Body) -> ContactView:
    """The view after these events, one a second."""
    view = None
    for seq, body in enumerate((STARTED, *bodies), 1):
        view = fold(view, Fact(ID, "n1", seq, AT + seq - 1, body))
    assert view is not None
    return view


def test_a_caller_who_gives_up_has_waited_and_was_not_answered() -> None:
    view = after(
        ev.QueueEntered("vip", {"vip": 1}, "basic", None),
        ev.QueueLeft("vip", "abandoned", 1.0),
        ev.CallerGone("caller", "abandoned_queue", 16),
        ev.ContactEnded("abandoned_queue", "caller", 1.0, 0.0, 0.0, 0.0, 5),
    )
    row = view.contact
    assert (row.wait_s, row.answered_at, row.agent_id, row.queue) == (1.0, None, None, "vip")
    assert (row.end_state, row.ended_by, row.ended_at, row.closed) == ("abandoned_queue", "caller", AT + 3, True)
    assert [(segment.kind, segment.outcome) for segment in view.segments] == [("queue", "abandoned")]


def test_the_visit_ends_with_the_caller_and_the_book_with_the_wrap_up() -> None:
    talking = (ev.QueueEntered("vip", {}, "vip", None), ev.TalkStarted("agent01", "o1", "b1"))
    gone = after(*talking, ev.TalkEnded("agent01", 1.0, 0.0), ev.CallerGone("agent", "agent", 16))
    assert (gone.contact.ended_at, gone.contact.closed) == (AT + 4, False)
    closed = after(*talking, ev.CallerGone("agent", "agent", 16), ev.ContactEnded("agent", "agent", 1, 1, 0, 9.0, 5))
    assert (closed.contact.ended_at, closed.contact.closed, closed.contact.wrap_up_s) == (AT + 3, True, 9.0)
    assert all(segment.ended_at is not None for segment in closed.segments)


def test_a_recording_that_failed_says_why_and_the_talk_goes_on() -> None:
    view = after(
        ev.TalkStarted("agent01", "o1", "b1"),
        ev.RecordingStarted("r1", "a.wav", "b.wav", "always"),
        ev.RecordingFailed("r1", "disk full"),
    )
    (recording,) = view.recordings
    assert (recording.state, recording.reason, recording.agent_id) == ("failed", "disk full", "agent01")
    assert view.contact.recording_ids == ("r1",)
    assert view.segments[0].ended_at is None


def test_hold_counts_while_it_lasts_and_the_totals_of_the_talk_replace_it() -> None:
    holding = (ev.TalkStarted("a", "o", "b"), ev.HoldStarted("a"), ev.HoldEnded("a", 1.0))
    assert after(*holding).contact.hold_s == 1.0
    assert after(*holding, ev.TalkEnded("a", 2.0, 1.0)).contact.hold_s == 1.0


def test_of_two_phones_that_ring_each_has_its_own_segment() -> None:
    view = after(
        ev.QueueEntered("vip", {"vip": 1}, "basic", None),
        ev.OfferMade("o1", "agent01", "vip", AT + 20, {}, {}),
        ev.OfferMade("o2", "agent02", "vip", AT + 20, {}, {}),
        ev.OfferSettled("o1", "agent01", "rejected", 2.0),
        ev.OfferSettled("o2", "agent02", "accepted", 2.0),
    )
    rings = [(each.agent_id, each.outcome, each.ended_at) for each in view.segments if each.kind == "ring"]
    assert rings == [("agent01", "rejected", AT + 4), ("agent02", "accepted", AT + 5)]


def test_an_event_that_changes_no_row_leaves_the_row_alone() -> None:
    before = after()
    assert fold(before, Fact(ID, "n1", 2, AT, ev.Keyed("menu", "1"))) is before
    assert before.contact.last_seq == 1
    assert body_of("never.heard.of", b"{}") is None


def test_the_contact_is_of_the_customer_whom_the_caller_proved_to_be_not_of_whom_they_say_they_are() -> None:
    claimed = ev.CustomerIdentified("find", "c7")
    assert after(claimed).contact.customer_id is None
    assert after(claimed, ev.CustomerVerified("who", "c7", "pin")).contact.customer_id == "c7"


def test_a_contact_that_never_started_has_no_rows() -> None:
    assert fold(None, Fact(ID, "n1", 2, AT, ev.Keyed("menu", "1"))) is None


def test_every_event_of_the_served_story_is_understood() -> None:
    assert all(body_of(event.type, event.data) is not None for event in served(1))


def test_an_agents_interval_ends_where_the_next_begins() -> None:
    _, idle = fold_agent(None, AgentChanged("available", "idle"), agent_id="a", node="n1", position=1, at=AT)
    ended, talking = fold_agent(
        idle, AgentChanged("available", "talking", None, ID), agent_id="a", node="n1", position=2, at=AT + 5
    )
    assert ended is not None
    assert (ended.position, ended.ended_at) == (1, AT + 5)
    assert (talking.activity, talking.contact_id, talking.started_at, talking.ended_at) == ("talking", ID, AT + 5, None)
