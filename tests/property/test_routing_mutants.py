"""Every mutant of the ACD is caught by a small fixed part of the suite, and the sound engine is not."""

import importlib
from random import Random

import pytest

from tests.acd import Endless, ends_within
from tests.mutants import MUTANTS, Mutant, anew

SCENARIOS = {
    "steps": (
        "test_a_contact_waits_for_the_agents_of_its_step_and_widens_when_the_step_is_over",
        "test_the_step_clock_stands_still_while_an_offer_rings",
        "test_a_step_is_left_at_once_when_the_last_one_who_meets_it_logs_out",
        "test_a_high_tier_goes_to_experienced_agents_first_and_spills_after_its_time",
    ),
    "orders": (
        "test_members_of_a_better_rank_serve_before_others_who_are_idle_longer",
        "test_a_free_agent_serves_the_queue_of_their_best_rank_first_whatever_waits_in_the_other",
        "test_a_back_up_member_sees_a_contact_only_after_the_delay",
        "test_who_is_overdue_goes_before_every_rank",
        "test_a_newcomer_takes_their_turn_in_the_round_once",
    ),
    "disciplines": (
        "test_strict_priority_takes_the_best_tier_whatever_the_wait",
        "test_accumulating_priority_turns_over_as_the_faster_tier_catches_up",
        "test_equal_slopes_are_first_come_first_served",
        "test_two_tiers_that_meet_are_served_by_age",
    ),
    "several": (
        "test_the_first_who_answers_has_the_contact_and_the_losers_are_rescinded_without_penalty",
        "test_an_agent_who_let_it_go_is_rung_again_only_when_there_is_no_other",
    ),
    "outcomes": (
        "test_as_many_misses_in_a_row_as_the_queue_says_send_the_agent_to_rona",
        "test_a_phone_that_is_lost_and_comes_back_serves_without_anybody_doing_anything",
    ),
    "limits": ("test_a_closed_queue_takes_nobody_and_serves_its_last",),
    "lending": ("test_lending_by_wait_has_a_dead_band",),
    "callbacks": ("test_a_second_callback_of_the_customer_replaces_the_first",),
    "comeback": ("test_who_gave_up_comes_back_to_their_age",),
    "preferred": ("test_a_preferred_agent_who_becomes_free_in_time_serves",),
}
"""Sentences of the unit tests, by file. The laws over a few seeded days are the rest."""
DAYS = 2


def check_all() -> None:
    """The fixed set of checks, on the engine that an import finds now."""
    for feature, sentences in SCENARIOS.items():
        module = importlib.import_module(f"tests.unit.test_routing_{feature}")
        for sentence in sentences:
            getattr(module, sentence)()
    orders = importlib.import_module("tests.unit.test_routing_orders")
    orders.test_a_newcomer_is_not_flooded_until_they_have_caught_up(orders.AgentOrder.FEWEST_CONTACTS)
    outcomes = importlib.import_module("tests.unit.test_routing_outcomes")
    outcomes.test_faults_in_any_number_never_send_the_agent_away(outcomes.Outcome.UNREACHABLE)
    check_days()


def check_days() -> None:
    """The laws, over a few days drawn from seeds."""
    days, laws = importlib.import_module("tests.days"), importlib.import_module("tests.laws")
    disciplines, orders = list(days.Discipline), list(days.AgentOrder)
    for seed in range(DAYS):
        rng, books = Random(seed), laws.Books()
        kind = days.Kind(rng.choice(disciplines), rng.choice(orders), several=1 + seed % 2)
        happenings = [(rng.choice(days.HAPPENINGS), rng.randrange(60), rng.randrange(60)) for _ in range(60)]
        for moment in days.Day(kind).play(happenings):
            for law in laws.MOMENTARY:
                law(moment)
            books.check(moment)


def complaint(mutant: Mutant | None) -> str | None:
    """What the checks say about this engine; None if they find it sound."""
    with anew(mutant):
        try:
            with ends_within(10.0):
                check_all()
        except Endless:
            return "it does not come to an end"
        except Exception as error:  # noqa: BLE001 (a mutant may fail in any way)
            return f"{type(error).__name__}: {error}"
    return None


def test_the_sound_engine_passes_the_checks_that_judge_the_mutants() -> None:
    assert complaint(None) is None


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught(mutant: Mutant) -> None:
    assert mutant.text() != mutant.path.read_text(encoding="utf-8")
    told = complaint(mutant)
    assert told is not None
    assert not told.startswith(("ImportError", "ModuleNotFoundError", "SyntaxError", "NameError")), "it is no engine"


def test_the_mutants_leave_the_sound_engine_alone() -> None:
    before = importlib.import_module("routing.acd.engine").Acd
    complaint(MUTANTS[0])
    assert importlib.import_module("routing.acd.engine").Acd is before
    assert importlib.import_module("tests.acd").Acd is before
