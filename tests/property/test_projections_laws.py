"""Laws of the folds: whatever happened, in whatever order, rows stay sound and say what the last event says."""

from dataclasses import fields
from typing import get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callcenter.contact import events as ev
from callcenter.db.changed import Changed
from callcenter.db.projections import ContactView, Fact, Fold, body_of, fold
from tests.database import AT, contact_id

ID = contact_id(1)
NAMES = st.sampled_from(["a", "b", "agent01", "product"])
SECONDS = st.floats(0.0, 1e6)
STARTED = ev.ContactStarted("inbound", "phone", "ch1", None, "anonymous", "0800000100", None, "basic", "zh-TW")
FIELDS: dict[str, st.SearchStrategy[object]] = {
    "str": NAMES,
    "str | None": st.none() | NAMES,
    "float": SECONDS,
    "float | None": st.none() | SECONDS,
    "int": st.integers(0, 100),
    "int | None": st.none() | st.integers(0, 100),
    "bool": st.booleans(),
}


def bodies() -> st.SearchStrategy[ev.Body]:
    """Any event but the first, with any plausible content."""

    def body(kind: type[ev.Body]) -> st.SearchStrategy[ev.Body]:
        types = {field.name: str(field.type) for field in fields(kind)}  # type: ignore[arg-type]
        return st.builds(kind, **{name: _content(_spelled(text)) for name, text in types.items()})

    return st.one_of([body(kind) for kind in get_args(ev.ContactEvent) if kind is not ev.ContactStarted])


def _content(spelled: str) -> st.SearchStrategy[object]:
    empty: object = [] if "Sequence[" in spelled else {}
    return FIELDS.get(spelled, st.just(empty))


def _spelled(text: str) -> str:
    return text.removeprefix("<class '").removesuffix("'>")


def folded(history: list[ev.Body], view: ContactView | None = None, start: int = 1) -> ContactView | None:
    for seq, body in enumerate(history, start):
        view = fold(view, Fact(ID, "n1", seq, AT + seq, body))
    return view


@given(st.lists(bodies(), max_size=40))
def test_any_history_gives_sound_rows(history: list[ev.Body]) -> None:
    view = folded([STARTED, *history])
    assert view is not None
    assert [segment.n for segment in view.segments] == list(range(1, len(view.segments) + 1))
    assert all((segment.ended_at is None) == (segment.outcome is None) for segment in view.segments)
    assert all(segment.ended_at is None or segment.ended_at >= segment.started_at for segment in view.segments)
    assert view.contact.recording_ids == tuple(recording.recording_id for recording in view.recordings)
    assert view.contact.offers == sum(isinstance(body, ev.OfferMade) for body in history)
    last = history[-1] if history else None
    if isinstance(last, ev.ContactEnded):
        assert view.contact.closed
        assert (view.contact.talk_s, view.contact.end_state) == (last.talk_s, last.end_state)
        assert all(segment.ended_at is not None for segment in view.segments)
        assert view.contact.last_seq == len(history) + 1


@given(st.lists(bodies(), max_size=40), st.integers(0, 40))
def test_it_does_not_matter_where_a_batch_ends(history: list[ev.Body], cut: int) -> None:
    whole = folded([STARTED, *history])
    first = folded([STARTED, *history[:cut]])
    assert folded(history[cut:], first, start=len(history[:cut]) + 2) == whole


@given(st.lists(bodies(), max_size=40), st.integers(0, 40))
def test_events_added_together_come_to_what_they_come_to_one_by_one(history: list[ev.Body], cut: int) -> None:
    before = folded([STARTED, *history[:cut]]) if cut else None
    total = Fold(ID, "n1", before)
    for seq, body in enumerate([STARTED, *history][cut + 1 if cut else 0 :], cut + 2 if cut else 1):
        total.add(seq, AT + seq, body)
    assert total.view() == folded([STARTED, *history])


@given(st.lists(bodies(), max_size=40))
def test_the_rows_noted_as_changed_are_all_that_the_end_needs(history: list[ev.Body]) -> None:
    changed = Changed()
    view: ContactView | None = None
    for seq, body in enumerate([STARTED, *history], 1):
        after = fold(view, Fact(ID, "n1", seq, AT + seq, body))
        changed.note(view, after)
        view = after
    assert view is not None
    rows = {key: row for table in changed.rows().values() for key, row in table.items()}
    assert rows[ID] == view.contact
    assert {key: row for key, row in rows.items() if isinstance(key, tuple)} == {
        (ID, segment.n): segment for segment in view.segments
    }
    assert len(changed) == 1 + len(view.segments) + len({recording.recording_id for recording in view.recordings})


@given(bodies())
def test_a_stored_body_is_understood_as_it_was_meant(body: ev.Body) -> None:
    assert body_of(body.type, msgspec.json.encode(body)) == body
