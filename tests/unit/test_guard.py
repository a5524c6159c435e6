"""The guard's judgement: what it makes of silence, of deaths, and of an end that was asked for."""

import math

from hypothesis import given
from hypothesis import strategies as st

from callcenter.guard import Due, Patience, Watch
from callcenter.handover import Words

PATIENCE = Patience(rescue_s=15.0, hung_s=10.0, start_s=60.0)


def alive(pid: int, *, up: bool = True, predecessor: int | None = None) -> Words:
    """What a living service says."""
    return {"pid": pid, "up": up, "predecessor": predecessor}


def a_watch_that_saw(pid: int, at: float) -> Watch:
    """A watch that has just seen the service serve."""
    watch = Watch(at, PATIENCE)
    assert watch.look(alive(pid), lives=True, on_purpose=False, now=at) == Due()
    return watch


def test_a_service_that_answers_is_left_alone() -> None:
    watch = a_watch_that_saw(7, 0.0)
    assert all(watch.look(alive(7), lives=True, on_purpose=False, now=float(now)) == Due() for now in range(1, 1000))


def test_a_dead_service_is_started_at_once_and_its_callers_are_rescued_only_when_it_stays_dead() -> None:
    watch = a_watch_that_saw(7, 0.0)
    assert watch.look(None, lives=False, on_purpose=False, now=1.0) == Due(start=True)
    watch.started(8)
    assert watch.look(None, lives=True, on_purpose=False, now=5.0) == Due()
    assert watch.look(alive(8, up=False), lives=True, on_purpose=False, now=9.0) == Due()
    assert watch.look(None, lives=True, on_purpose=False, now=15.0) == Due(rescue=True)
    assert watch.look(None, lives=True, on_purpose=False, now=16.0) == Due(), "once per silence, not all the time"
    assert watch.look(alive(8), lives=True, on_purpose=False, now=17.0) == Due()
    assert watch.silence_s(17.0) == 0.0


def test_a_hung_service_is_killed_and_started_but_not_while_it_may_still_be_starting() -> None:
    watch = a_watch_that_saw(7, 0.0)
    assert watch.look(None, lives=True, on_purpose=False, now=9.0) == Due()
    assert watch.look(None, lives=True, on_purpose=False, now=10.0) == Due(kill=True, start=True)
    watch.started(8)
    assert not watch.look(None, lives=True, on_purpose=False, now=40.0).kill
    assert watch.look(None, lives=True, on_purpose=False, now=70.0).kill


def test_a_service_that_is_there_and_does_not_serve_is_silent() -> None:
    watch = a_watch_that_saw(7, 0.0)
    assert watch.look(alive(7, up=False), lives=True, on_purpose=False, now=15.0).rescue


def test_who_ended_as_asked_is_not_started_but_their_callers_are_rescued() -> None:
    watch = a_watch_that_saw(7, 0.0)
    assert watch.look(None, lives=False, on_purpose=True, now=1.0) == Due()
    assert watch.look(None, lives=False, on_purpose=True, now=20.0) == Due(rescue=True)


def test_callers_of_a_service_that_dies_again_and_again_are_rescued_although_it_answers_in_between() -> None:
    watch = Watch(0.0, PATIENCE)
    dues = []
    for number in range(3):
        at = 10.0 * number
        watch.look(alive(number), lives=True, on_purpose=False, now=at)
        dues.append(watch.look(None, lives=False, on_purpose=False, now=at + 5.0))
        watch.started(number + 1)
    assert [due.rescue for due in dues] == [False, False, True]
    assert all(due.start for due in dues)


def test_a_handover_is_no_death() -> None:
    watch = a_watch_that_saw(7, 0.0)
    for pid in range(8, 20):
        watch.look(alive(pid, predecessor=pid - 1), lives=True, on_purpose=False, now=float(pid))
    assert watch.look(None, lives=False, on_purpose=False, now=20.0) == Due(start=True)


@given(st.lists(st.floats(min_value=0.1, max_value=5.0), min_size=1, max_size=200))
def test_pauses_between_starts_grow_to_the_bound_and_never_beyond(gaps: list[float]) -> None:
    watch = a_watch_that_saw(1, 0.0)
    now, started_at, former = 0.0, -math.inf, 0.0
    for number, gap in enumerate(gaps):
        now += gap
        due = watch.look(None, lives=False, on_purpose=False, now=now)
        if due.start:
            assert now - started_at >= min(former, PATIENCE.pause_max_s)
            started_at, former = now, PATIENCE.pause_min_s
            watch.started(number + 2)
        assert PATIENCE.pause_min_s <= watch.pause_s() <= PATIENCE.pause_max_s
