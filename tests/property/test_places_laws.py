"""Laws of who is served before whom at a later instant: counted in the line, it is what the order of service says."""

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from routing.acd.order import Order
from routing.policy import Discipline, Tier, TierPolicy
from routing.waiting.places import Places, may_change

WAITING = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300).map(float)), min_size=1, max_size=30, unique=True)
"""(tier, entered at) of those in line."""
SLOPES = st.lists(st.sampled_from([0.5, 1.0, 2.0, 4.0]), min_size=1, max_size=4)
BY_SCORE = st.sampled_from([Discipline.ACCUMULATING, Discipline.TARGET])


def policy_of(discipline: Discipline, slopes: list[float], head_start_s: float = 0.0) -> TierPolicy:
    tiers = (
        Tier(
            f"tier {rank}",
            slope=slope,
            target_s=8.0 / slope,
            head_start_s=head_start_s * (rank == 0),
            starvation_s=200.0 + 50.0 * rank,
        )
        for rank, slope in enumerate(slopes)
    )
    return TierPolicy(discipline, tuple(tiers))


@given(WAITING, SLOPES, BY_SCORE, st.sampled_from([0.0, 16.0]), st.integers(300, 900).map(float))
def test_who_counts_as_ahead_at_an_instant_is_who_would_be_served_first_then(
    waiting: list[tuple[int, float]], slopes: list[float], discipline: Discipline, head_start_s: float, at: float
) -> None:
    policy = policy_of(discipline, slopes, head_start_s)
    order, places = Order(policy), Places(policy, waiting)
    keys = [order.sort_key(tier, entered_at, "", at) for tier, entered_at in waiting]
    assume(len({key[:2] for key in keys}) == len(keys))  # ties are broken by age and id, which are not looked at
    for (tier, entered_at), key in zip(waiting, keys, strict=True):
        assert places.ahead(tier, entered_at, at) == sum(each < key for each in keys)


@given(WAITING, SLOPES, BY_SCORE, st.floats(0.1, 30.0), st.integers(0, 3))
def test_within_a_tier_nobody_is_foretold_to_be_served_before_who_came_earlier(
    waiting: list[tuple[int, float]], slopes: list[float], discipline: Discipline, step_s: float, tier: int
) -> None:
    places = Places(policy_of(discipline, slopes), waiting)
    found = [
        places.ahead_at_turn(tier, entered_at, lambda ahead: 300.0 + step_s * (ahead + 1))
        for entered_at in sorted(each for rank, each in waiting if rank == tier)
    ]
    assert found == sorted(found)


@given(WAITING, SLOPES, BY_SCORE, st.floats(0.1, 30.0))
def test_the_turn_after_so_many_others_comes_when_no_more_are_ahead(
    waiting: list[tuple[int, float]], slopes: list[float], discipline: Discipline, step_s: float
) -> None:
    places = Places(policy_of(discipline, slopes), waiting)

    def turn_at(ahead: int) -> float:
        return 300.0 + step_s * (ahead + 1)

    for tier, entered_at in waiting:
        count = places.ahead_at_turn(tier, entered_at, turn_at)
        assert places.ahead(tier, entered_at, turn_at(count)) <= count <= places.total
        assert count == 0 or places.ahead(tier, entered_at, turn_at(count - 1)) > count - 1


@settings(max_examples=50)
@given(WAITING, st.sampled_from([0.5, 1.0, 4.0]), BY_SCORE, st.floats(0.01, 0.5))
def test_where_all_slopes_are_equal_places_do_not_change(
    waiting: list[tuple[int, float]], slope: float, discipline: Discipline, step_s: float
) -> None:
    tiers = tuple(Tier(f"tier {rank}", slope=slope, starvation_s=10_000.0) for rank in range(4))
    policy = TierPolicy(discipline, tiers)
    assert not may_change(policy)
    waiting = [(tier, entered_at + tier / 8) for tier, entered_at in waiting]  # no ties
    places = Places(policy, waiting)
    for tier, entered_at in waiting:
        now = places.ahead(tier, entered_at, 300.0)
        assert places.ahead_at_turn(tier, entered_at, lambda ahead: 300.0 + step_s * (ahead + 1)) == now
        assert places.passed_per_s(tier, entered_at, 400.0, 50.0) == 0.0


def test_only_where_scores_grow_at_different_rates_do_contacts_overtake() -> None:
    steep = [4.0, 2.0, 1.0]
    assert {discipline for discipline in Discipline if may_change(policy_of(discipline, steep))} == {
        Discipline.ACCUMULATING,
        Discipline.TARGET,
    }
