"""Callbacks in a simulated day: who takes one hangs up, keeps the place and is called when it comes up."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from routing.messages import CallbackChosen, Configured, CustomerDialed, Decision, DialOutcome, Input
from routing.model import (
    AgentProfile,
    CallbackMode,
    CallbackRules,
    Exit,
    ExitKind,
    Presence,
    QueueRules,
)
from routing.simulate.day import simulate
from routing.simulate.draw import Callees, Day, Turn, draw
from routing.simulate.durations import Exponential
from routing.simulate.intervals import Figure
from routing.simulate.load import Callbacks, Kind, Load
from routing.simulate.record import End, Record
from routing.simulate.results import ALL, summarise
from tests.simulated import AHT_S, on_duty, one_pool, poisson

NEVER = math.inf
AGENT_FIRST, CUSTOMER_FIRST = CallbackMode.AGENT_FIRST, CallbackMode.CUSTOMER_FIRST


def site(mode: CallbackMode = AGENT_FIRST, *, attempts_max: int = 3, expires_s: float = 86_400.0) -> Configured:
    rules = CallbackRules(mode, dial_s=10.0, attempts_max=attempts_max, retry_s=300.0, expires_s=expires_s)
    return Configured((QueueRules("orders", callback=rules),), (AgentProfile("a0", {}),))


def day(
    at_s: Sequence[float],
    *,
    takes: Sequence[bool],
    ring_s: Sequence[float] = (8.0,),
    after_s: float = 20.0,
    refuses: bool = False,
    handle_s: float = 100.0,
    patience_s: float = NEVER,
) -> Day:
    """Customers who call at these instants; agent a0 is there; attempt k to call back rings for `ring_s[k]`."""
    every = range(len(at_s))
    return Day(
        kinds=(Kind("orders"),),
        at_s=at_s,
        kind=[0 for _ in every],
        handle_s=[handle_s for _ in every],
        patience_s=[[patience_s for _ in every]],
        redial_s=[[NEVER for _ in every]],
        ring_s=[[0.0 for _ in every]],
        turns=[Turn(0.0, "a0", Presence.AVAILABLE)],
        speed={},
        callbacks=Callees(
            takes, [refuses for _ in every], [[each for _ in every] for each in ring_s], after_s, 30.0, 60.0
        ),
    )


def ends(record: Record) -> list[End]:
    return [End(end) for end in record.end]


def test_who_takes_a_callback_hangs_up_and_is_called_when_the_agent_is_free() -> None:
    record = simulate(site(), day([0.0, 10.0], takes=[False, True], patience_s=50.0))
    assert ends(record) == [End.ANSWERED, End.ANSWERED], "patience is no matter to who has hung up"
    assert record.chosen_at[1] == 30.0
    assert record.dialed_at[1] == 100.0
    assert record.wait_s.tolist() == [0.0, 98.0], "until they talk, the ring of their phone included"
    assert record.held_s[1] == 8.0, "the agent waited for them"
    assert record.agents["a0"].busy_s == 208.0
    assert not record.called_back()[0]


def test_the_customer_is_called_first_and_the_agent_waits_for_nobody() -> None:
    record = simulate(site(CUSTOMER_FIRST), day([0.0, 10.0], takes=[False, True]))
    assert ends(record) == [End.ANSWERED, End.ANSWERED]
    assert record.held_s[1] == 0.0
    assert record.dialed_at[1] >= 100.0 - 10.0
    assert record.agents["a0"].busy_s == 200.0


def test_who_is_not_reached_is_tried_again_later() -> None:
    record = simulate(site(), day([0.0, 10.0], takes=[False, True], ring_s=(NEVER, NEVER, 8.0)))
    assert ends(record) == [End.ANSWERED, End.ANSWERED]
    assert record.dials[1] == 3
    assert record.left_at[1] == pytest.approx(100.0 + 30.0 + 300.0 + 30.0 + 300.0 + 8.0)
    assert record.held_s[1] == 68.0


@pytest.mark.parametrize("mode", list(CallbackMode))
def test_after_the_last_attempt_the_callback_is_unreached(mode: CallbackMode) -> None:
    record = simulate(site(mode, attempts_max=2), day([0.0, 10.0], takes=[False, True], ring_s=(NEVER,)))
    assert ends(record) == [End.ANSWERED, End.UNREACHED]
    assert record.dials[1] == 2


@pytest.mark.parametrize("mode", list(CallbackMode))
def test_a_callback_that_does_not_come_up_in_its_time_expires(mode: CallbackMode) -> None:
    record = simulate(site(mode, expires_s=40.0), day([0.0, 10.0], takes=[False, True]))
    assert ends(record) == [End.ANSWERED, End.EXPIRED]
    assert record.left_at[1] == pytest.approx(70.0)


def test_who_wants_no_call_any_more_frees_the_agent() -> None:
    record = simulate(site(), day([0.0, 10.0, 15.0], takes=[False, True, False], refuses=True))
    assert ends(record) == [End.ANSWERED, End.REFUSED, End.ANSWERED]
    assert record.wait_s[2] == pytest.approx(93.0)


def test_who_is_answered_before_hanging_up_needs_no_callback() -> None:
    record = simulate(site(), day([0.0, 90.0], takes=[False, True]))
    assert ends(record) == [End.ANSWERED, End.ANSWERED]
    assert not record.called_back().any()


@pytest.mark.parametrize("takes", [True, False])
def test_a_queue_that_sends_out_by_callback_calls_those_back_who_want_it(takes: bool) -> None:
    out = replace(site().queues[0], exit_to=Exit(ExitKind.CALLBACK), exit_after_s=40.0)
    record = simulate(replace(site(), queues=(out,)), day([0.0, 10.0], takes=[False, takes], after_s=NEVER))
    assert ends(record) == [End.ANSWERED, End.ANSWERED if takes else End.SENT_AWAY]
    if takes:
        assert record.chosen_at[1] == pytest.approx(50.0)
        assert record.left_at[1] == pytest.approx(108.0)


def test_a_customer_who_picks_up_before_an_agent_is_free_does_not_hold_for_ever() -> None:
    """Customer first: the forecast is wrong, for the call in progress takes an hour."""
    seen: list[tuple[float, Input]] = []

    def observe(now: float, given: Input, _: Sequence[Decision]) -> None:
        seen.append((now, given))

    rules = QueueRules("orders", callback=CallbackRules(CUSTOMER_FIRST, dial_s=3_600.0))
    two = Configured((rules,), tuple(AgentProfile(f"a{at}", {}) for at in range(2)))
    busy = replace(
        day([0.0, 1.0, 10.0], takes=[False, False, True], handle_s=3_600.0, after_s=5.0),
        turns=[Turn(0.0, "a0", Presence.AVAILABLE), Turn(0.0, "a1", Presence.AVAILABLE)],
    )
    record = simulate(two, busy, observe=observe)
    assert ends(record) == [End.ANSWERED, End.ANSWERED, End.ABANDONED]
    assert [now for now, given in seen if isinstance(given, CustomerDialed)] == [pytest.approx(23.0)]
    assert record.left_at[2] == pytest.approx(23.0 + 60.0)


LOAD = Load(
    poisson(19.0, 1_500.0),
    (Kind("orders", handling=Exponential(AHT_S), patience=Exponential(600.0)),),
    on_duty(one_pool(20)),
    callbacks=Callbacks(taken=0.5, after_s=30.0, refused=0.05),
)


def test_what_customers_do_about_callbacks_disturbs_no_other_lot() -> None:
    none, some = draw(replace(LOAD, callbacks=Callbacks()), 1), draw(LOAD, 1)
    assert none.callbacks is None
    assert replace(some, callbacks=None) == none
    assert some == draw(LOAD, 1)
    assert some.callbacks is not None
    assert np.mean(some.callbacks.takes) == pytest.approx(0.5, abs=0.04)
    assert np.mean(np.isinf(some.callbacks.ring_s[0])) == pytest.approx(0.2, abs=0.04)


@pytest.mark.parametrize("mode", list(CallbackMode))
def test_the_results_tell_what_came_of_the_callbacks_and_of_those_who_stayed(mode: CallbackMode) -> None:
    pool = one_pool(20, callback=CallbackRules(mode))
    records = [simulate(pool, draw(LOAD, 1, replication), announce=True) for replication in range(3)]
    found = summarise(pool, records)[ALL]
    counts, figures = found.counts, found.figures
    ways = [name for name in counts if name.startswith("callbacks_")]
    assert counts["callbacks"] == pytest.approx(sum(counts[name] for name in ways))
    assert counts["callbacks_kept"] > 0.8 * counts["callbacks"] > 30
    assert counts["callbacks_refused"] > 0
    back = [record.called_back() & record.answered() for record in records]
    stayed = [record.answered() & ~record.called_back() for record in records]
    assert value(figures["callback_wait_s"]) == pytest.approx(mean_wait_s(records, back))
    assert value(figures["asa_s"]) == pytest.approx(mean_wait_s(records, stayed))
    assert 0.95 <= value(figures["callback_slot_kept"]) <= 1.0
    assert (value(figures["callback_held_s"]) > 0) == (mode is AGENT_FIRST)


def value(figure: Figure) -> float:
    assert figure.value is not None
    return figure.value


def mean_wait_s(records: Sequence[Record], which: Sequence[np.ndarray[tuple[int], np.dtype[np.bool_]]]) -> float:
    return float(np.concatenate([record.wait_s[mask] for record, mask in zip(records, which, strict=True)]).mean())


def test_a_day_without_callbacks_tells_nothing_of_them() -> None:
    pool = one_pool(20)
    found = summarise(pool, [simulate(pool, draw(replace(LOAD, callbacks=Callbacks()), 1))])[ALL]
    assert not any("callback" in name for name in (*found.counts, *found.figures))


def test_a_choice_is_told_to_the_engine_while_the_customer_waits() -> None:
    told: list[float] = []
    simulate(
        site(),
        day([0.0, 10.0], takes=[False, True]),
        observe=lambda now, given, _: told.append(now) if isinstance(given, CallbackChosen) else None,
    )
    assert told == [30.0]


def test_an_attempt_that_rings_out_is_told_as_failed() -> None:
    outcomes: list[DialOutcome] = []
    simulate(
        site(),
        day([0.0, 10.0], takes=[False, True], ring_s=(NEVER, 5.0)),
        observe=lambda _, given, __: outcomes.append(given.outcome) if isinstance(given, CustomerDialed) else None,
    )
    assert outcomes == [DialOutcome.FAILED, DialOutcome.ANSWERED]


def test_an_announcement_is_made_to_who_waits_and_to_nobody_else() -> None:
    record = simulate(site(), day([0.0, 10.0], takes=[False, False]), announce=True)
    assert record.told[0] is None
    assert record.told[1].position == 1
    assert simulate(site(), day([0.0, 10.0], takes=[False, False])).told.tolist() == [None, None]
