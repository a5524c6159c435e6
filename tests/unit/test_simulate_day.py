"""A simulated day: the customers and agents around the ACD behave as described, and the end comes."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from routing.messages import AgentChanged, Configured, Decision, Input, MakeOffer, PresenceChosen, RescindOffer
from routing.model import (
    RONA,
    AgentProfile,
    Exit,
    ExitKind,
    Limits,
    Outcome,
    Presence,
    QueueRules,
    UnknownQueueError,
)
from routing.simulate.day import simulate
from routing.simulate.draw import Day, Turn
from routing.simulate.load import Kind
from routing.simulate.record import End

NEVER = math.inf


def site(*queues: QueueRules, agents: int = 1) -> Configured:
    rules = queues or (QueueRules("orders", ring_s=20.0),)
    return Configured(rules, tuple(AgentProfile(f"a{at}", {}) for at in range(agents)))


def day(
    at_s: Sequence[float],
    *,
    handle_s: float = 100.0,
    patience_s: float = NEVER,
    redial_s: float = NEVER,
    ring_s: Sequence[float] = (0.0,),
    turns: Sequence[Turn] | None = None,
    queue: str = "orders",
    wrap_up_share: float = 0.0,
) -> Day:
    """Customers who call at these instants, all alike; agent a0 is there from the beginning."""
    every = range(len(at_s))
    return Day(
        kinds=(Kind(queue),),
        at_s=at_s,
        kind=[0 for _ in every],
        handle_s=[handle_s for _ in every],
        patience_s=[[patience_s for _ in every], [NEVER for _ in every]],
        redial_s=[[redial_s for _ in every], [NEVER for _ in every]],
        ring_s=[[each for _ in every] for each in ring_s],
        turns=[Turn(0.0, "a0", Presence.AVAILABLE)] if turns is None else turns,
        speed={},
        wrap_up_share=wrap_up_share,
        back_s=60.0,
    )


def test_the_next_customer_waits_until_talk_and_wrap_up_of_the_one_before_are_over() -> None:
    record = simulate(site(), day([0.0, 10.0], handle_s=100.0, wrap_up_share=0.3))
    assert record.wait_s.tolist() == [0.0, 90.0]
    assert record.agents["a0"].busy_s == pytest.approx(170.0), (
        "the day ends with the last talk; its wrap-up is not seen"
    )


def test_a_customer_is_answered_when_the_ring_is_over() -> None:
    assert simulate(site(), day([5.0], ring_s=(4.0,))).wait_s.tolist() == [4.0]


def test_who_gives_up_leaves_and_the_agent_is_spared_the_call() -> None:
    record = simulate(site(), day([0.0, 10.0], patience_s=30.0))
    assert [End(end) for end in record.end] == [End.ANSWERED, End.ABANDONED]
    assert record.wait_s.tolist() == [0.0, 30.0]
    assert record.agents["a0"].busy_s == 100.0


def test_who_gave_up_calls_again_as_a_contact_of_its_own() -> None:
    record = simulate(site(), day([0.0, 10.0], patience_s=30.0, redial_s=50.0))
    assert record.customer.tolist() == [0, 1, 1]
    assert record.tries.tolist() == [0, 0, 1]
    assert record.entered_at.tolist() == [0.0, 10.0, 90.0]
    assert record.end[2] == End.ANSWERED


def test_an_offer_that_rings_out_sends_the_agent_to_rona_and_they_come_back() -> None:
    seen: list[tuple[float, Input, Sequence[Decision]]] = []
    record = simulate(
        site(), day([0.0], ring_s=(NEVER, 1.0)), observe=lambda now, given, decided: seen.append((now, given, decided))
    )
    decisions = [(now, decision) for now, _, decided in seen for decision in decided]
    assert any(
        now == 20.0 and isinstance(each, RescindOffer) and each.outcome is Outcome.NO_ANSWER for now, each in decisions
    )
    assert any(isinstance(each, AgentChanged) and each.aux_code == RONA for _, each in decisions)
    assert (80.0, PresenceChosen("a0", Presence.AVAILABLE)) in [(now, given) for now, given, _ in seen]
    assert record.wait_s.tolist() == [81.0]
    assert record.offers.tolist() == [2]


def test_an_agent_whose_shift_ends_during_a_talk_goes_afterwards() -> None:
    turns = [Turn(0.0, "a0", Presence.AVAILABLE), Turn(50.0, "a0", Presence.LOGGED_OUT)]
    record = simulate(site(), day([0.0, 10.0], turns=turns, patience_s=500.0))
    assert [End(end) for end in record.end] == [End.ANSWERED, End.ABANDONED]
    assert record.agents["a0"].busy_s == 100.0
    assert record.agents["a0"].idle_s == 0.0


def test_a_break_is_time_away() -> None:
    turns = [
        Turn(0.0, "a0", Presence.AVAILABLE),
        Turn(100.0, "a0", Presence.AUX, "break"),
        Turn(400.0, "a0", Presence.AVAILABLE),
        Turn(500.0, "a0", Presence.LOGGED_OUT),
    ]
    agent = simulate(site(), day([], turns=turns)).agents["a0"]
    assert (agent.idle_s, agent.away_s, agent.busy_s) == (200.0, 300.0, 0.0)


def test_customers_whom_nobody_ever_serves_do_not_keep_the_day_from_ending() -> None:
    record = simulate(site(), day([0.0, 5.0], turns=[]))
    assert [End(end) for end in record.end] == [End.WAITING] * 2
    assert np.isinf(record.wait_s).all()


def test_the_last_step_of_a_queue_moves_the_contact_on_with_its_age() -> None:
    moving = QueueRules("orders", exit_to=Exit(ExitKind.QUEUE, "rest"), exit_after_s=30.0)
    agents = (AgentProfile("a0", {}, memberships={}), AgentProfile("a1", {}))
    both = Configured((moving, QueueRules("rest")), agents)
    turns = [Turn(0.0, "a0", Presence.AVAILABLE), Turn(40.0, "a1", Presence.AVAILABLE)]
    record = simulate(both, day([0.0], turns=turns))
    assert record.end[0] == End.ANSWERED
    assert record.wait_s.tolist() == [40.0], "the wait counts from the first queue"
    assert record.queue.tolist() == ["orders"]


def test_a_full_queue_sends_the_newcomer_away() -> None:
    full = QueueRules("orders", limits=Limits(waiting_max=1, otherwise=Exit(ExitKind.GOODBYE)))
    record = simulate(site(full), day([0.0, 1.0, 2.0]))
    assert [End(end) for end in record.end] == [End.ANSWERED, End.ANSWERED, End.SENT_AWAY]


def test_of_several_phones_that_ring_the_first_to_pick_up_has_the_contact() -> None:
    turns = [Turn(0.0, f"a{at}", Presence.AVAILABLE) for at in range(3)]
    made: list[str] = []
    record = simulate(
        site(QueueRules("orders", ring_several=3), agents=3),
        day([0.0], ring_s=(9.0, 4.0, 7.0), turns=turns),
        observe=lambda _, __, decided: made.extend(each.agent_id for each in decided if isinstance(each, MakeOffer)),
    )
    assert len(made) == 3
    assert record.wait_s.tolist() == [4.0]
    assert record.agent.tolist() == [made[1]]


def test_a_queue_that_the_site_lacks_is_an_error() -> None:
    with pytest.raises(UnknownQueueError):
        simulate(site(), day([0.0], queue="nowhere"))


def test_agents_of_the_day_that_the_site_lacks_never_show_up() -> None:
    turns = [Turn(0.0, "stranger", Presence.AVAILABLE), Turn(0.0, "a0", Presence.AVAILABLE)]
    assert simulate(site(), day([1.0], turns=turns)).agent.tolist() == ["a0"]
