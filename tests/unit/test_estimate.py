"""Estimated waits: what is told from little, what from much, and that what was told is what came."""

import math
import random
from dataclasses import replace

import pytest

from routing.policy import Discipline, Tier, TierPolicy
from routing.waiting.calibration import Calibration, Forecast, calibration
from routing.waiting.estimate import AHT_S, PATIENCE_S, Estimate, Promise, QueueHistory
from routing.waiting.handling import HALF_LIFE_S, KEPT, HandleTimes, Headway
from routing.waiting.passage import overtaking_share, passage
from tests.lines import Pool, exponential, lognormal


def after(contacts: int, handle_s: float | None = None) -> QueueHistory:
    """A queue that had a contact every ten seconds, none waiting; handled for `handle_s`, or exponentially by 180 s."""
    history, rng = QueueHistory(), random.Random(2)
    for number in range(contacts):
        now = number * 10.0
        history.entered(now)
        history.started(now, 0.0, in_time=True)
        history.ended(now, exponential(rng) if handle_s is None else handle_s)
    return history


# ---- From little ----


def test_before_any_contact_ended_the_sites_aht_is_believed() -> None:
    told = QueueHistory(aht_s=300.0).estimate(ahead=3, serving=4.0, idle=0, ages=(), now=0.0)
    usual_s = sum(1.0 / (4.0 / 300.0 + given_up / PATIENCE_S) for given_up in range(4))
    assert told.mean_s == pytest.approx(usual_s)
    assert told.position == 4
    assert told.p50_s < told.mean_s < told.p90_s


def test_what_is_known_from_few_contacts_is_told_less_surely() -> None:
    unsure = QueueHistory(aht_s=180.0).estimate(ahead=20, serving=10.0, idle=0, ages=(), now=0.0)
    surer = after(400).estimate(ahead=20, serving=10.0, idle=0, ages=(), now=4_000.0)
    assert unsure.mean_s == pytest.approx(surer.mean_s, rel=0.1)
    assert unsure.p90_s - unsure.p50_s > 1.5 * (surer.p90_s - surer.p50_s)


def test_time_spent_in_contacts_that_have_not_ended_counts_as_far_as_handling_is_irregular() -> None:
    irregular, regular = HandleTimes(180.0), HandleTimes(180.0)
    for number in range(400):
        irregular.ended(0.0, -180.0 * math.log((number + 0.5) / 400))
        regular.ended(0.0, 180.0)
    spent_s = 40 * 180.0
    assert irregular.known_s(0.0) == pytest.approx(irregular.mean_s)
    assert irregular.known_s(spent_s) == pytest.approx(1.1 * irregular.mean_s, rel=0.02)
    assert regular.known_s(spent_s) == pytest.approx(180.0, rel=0.01)


def test_with_an_agent_free_there_is_nothing_to_wait_for_but_the_ring() -> None:
    history = QueueHistory()
    assert history.estimate(ahead=0, serving=3.0, idle=1, ages=(), now=0.0).p90_s == 0.0
    for now in range(10):
        history.started(float(now), 4.0, in_time=True, rang_s=4.0)
    assert history.estimate(ahead=0, serving=3.0, idle=1, ages=(), now=10.0).p50_s == pytest.approx(4.0)
    behind = history.estimate(ahead=1, serving=3.0, idle=1, ages=(), now=10.0)
    assert behind.position == 2
    assert behind.mean_s == pytest.approx((180.0 + 4.0) / 3.0 + 4.0)


def test_while_nobody_serves_the_line_no_end_is_in_sight() -> None:
    told = after(50).estimate(ahead=0, serving=0.0, idle=0, ages=(), now=500.0)
    assert (told.p50_s, told.p90_s, told.mean_s) == (math.inf, math.inf, math.inf)
    assert told.position == 1


def test_an_agent_shared_with_another_queue_serves_half_as_fast() -> None:
    history = after(50)
    whole = history.estimate(ahead=0, serving=1.0, idle=0, ages=(), now=500.0)
    half = history.estimate(ahead=0, serving=0.5, idle=0, ages=(), now=500.0)
    assert half.mean_s == pytest.approx(2.0 * whole.mean_s, rel=0.02)


# ---- Handling times ----


def test_the_mean_of_the_handled_takes_over_from_the_sites() -> None:
    history = after(400, handle_s=240.0)
    assert history.handle_mean_s == pytest.approx(240.0, rel=0.01)
    assert AHT_S == 180.0


def test_a_new_aht_is_followed_within_hours_and_a_quiet_night_is_not_forgotten() -> None:
    times = HandleTimes(180.0)
    for number in range(1_000):
        times.ended(number * 10.0, 120.0)
    evening = 10_000.0
    morning = evening + 12 * 3_600.0
    times.ended(morning, 120.0)
    assert times.mean_s == pytest.approx(120.0, rel=0.1)
    assert times.weight == pytest.approx(KEPT + 1.0)
    for number in range(720):
        times.ended(morning + number * HALF_LIFE_S / 720.0, 300.0)
    assert times.mean_s == pytest.approx(300.0, rel=0.05)


def test_a_forecast_after_a_long_pause_is_less_sure() -> None:
    times = HandleTimes(180.0)
    for number in range(500):
        times.ended(number * 10.0, 60.0 + number % 240)
    assert times.mean_variance(5_000.0 + 8 * HALF_LIFE_S) > 5.0 * times.mean_variance(5_000.0)


def test_how_much_handling_times_spread_is_learned() -> None:
    rng = random.Random(3)
    for handling, cv2 in [(exponential, 1.0), (lognormal(0.3), 0.09), (lognormal(1.2), 1.44)]:
        times = HandleTimes(180.0)
        for number in range(5_000):
            times.ended(number * 1.0, handling(rng))
        assert times.cv2 == pytest.approx(cv2, rel=0.25)


def test_when_all_take_as_long_a_contact_in_progress_ends_when_its_time_is_up() -> None:
    rng = random.Random(5)
    history = QueueHistory()
    for number in range(2_000):
        history.ended(number * 5.0, rng.gauss(180.0, 9.0))
    for age_s in (20.0, 60.0, 90.0, 130.0):
        told = history.estimate(ahead=0, serving=1.0, idle=0, ages=[age_s], now=10_000.0)
        assert told.mean_s == pytest.approx(180.0 - age_s, abs=30.0)
    # Seen at any instant, half of the time is up.
    told = history.estimate(ahead=0, serving=1.0, idle=0, ages=(), now=10_000.0)
    assert told.mean_s == pytest.approx(90.0, rel=0.2)


def test_the_age_of_an_exponential_contact_says_nothing() -> None:
    rng = random.Random(7)
    times = HandleTimes(180.0)
    for number in range(20_000):
        times.ended(number * 0.5, exponential(rng))
    for age_s in (0.0, 60.0, 180.0, 400.0):
        assert abs(times.headway([age_s]).gain_s) < 0.1 * 180.0


def test_a_headway_shortens_the_wait_and_at_most_by_what_was_gained() -> None:
    ahead, late = Headway(30.0, 60.0), Headway(-30.0, 60.0)
    assert 120.0 - 30.0 < ahead.waiting_s(120.0) < 120.0 < late.waiting_s(120.0) < 120.0 + 30.0
    wait_s = ahead.waiting_s(120.0)
    assert wait_s + 30.0 * (1.0 - math.exp(-wait_s / 60.0)) == pytest.approx(120.0)


# ---- The law of a wait ----


def erlang_quantile(phases: int, share: float) -> float:
    """The quantile of a sum of `phases` exponential times of mean 1, from its definition as a Poisson number."""
    low, high = 0.0, 50.0 + 3.0 * phases
    for _ in range(100):
        middle = (low + high) / 2.0
        fewer = math.fsum(math.exp(-middle + n * math.log(middle) - math.lgamma(n + 1)) for n in range(phases))
        low, high = (middle, high) if 1.0 - fewer < share else (low, middle)
    return high


@pytest.mark.parametrize("ahead", [0, 1, 4, 19, 99])
def test_the_interval_of_exponential_times_is_that_of_the_gamma_law(ahead: int) -> None:
    history = QueueHistory()
    rng = random.Random(11)
    for number in range(20_000):
        history.started(number * 0.5, 20.0, in_time=True)  # nobody gives up
        history.ended(number * 0.5, exponential(rng))
    told = history.estimate(ahead=ahead, serving=10.0, idle=0, ages=(), now=10_000.0)
    each_s = history.handle_mean_s / 10.0
    assert told.mean_s == pytest.approx((ahead + 1) * each_s, rel=0.01)
    assert told.p50_s == pytest.approx(erlang_quantile(ahead + 1, 0.5) * each_s, rel=0.03)
    assert told.p90_s == pytest.approx(erlang_quantile(ahead + 1, 0.9) * each_s, rel=0.03)


def test_a_step_that_others_overtake_is_a_busy_period() -> None:
    # M/M/1 with rates λ and r: mean 1 ÷ (r − λ), variance (r + λ) ÷ (r − λ)³ (Takács 1962).
    line = passage(1.0, 0.0, 0, overtaking=0.6)
    assert line.mean_s == pytest.approx(1.0 / 0.4, rel=1e-6)
    assert line.variance == pytest.approx(1.6 / 0.4**3, rel=1e-6)
    assert passage(1.0, 0.0, 40, overtaking=0.6).mean_s == pytest.approx(41 / 0.4, rel=1e-6)


def test_overtakers_who_give_up_do_not_hold_a_line_for_ever() -> None:
    # Played out: agents come free at rate 1, overtakers come at rate 1.2, and each who waits gives up at rate 0.5.
    rng = random.Random(13)
    waits_s = []
    for _ in range(20_000):
        ahead, now = 2, 0.0
        while ahead >= 0:
            down = 1.0 + 0.5 * ahead
            now += rng.expovariate(down + 1.2)
            ahead += -1 if rng.random() < down / (down + 1.2) else 1
        waits_s.append(now)
    mean_s = math.fsum(waits_s) / len(waits_s)
    variance = math.fsum((wait_s - mean_s) ** 2 for wait_s in waits_s) / len(waits_s)
    line = passage(1.0, 0.5, 2, overtaking=1.2)
    assert line.mean_s == pytest.approx(mean_s, rel=0.03)
    assert line.variance == pytest.approx(variance, rel=0.08)


def test_who_overtakes_is_told_by_the_discipline() -> None:
    tiers = (Tier("vip", slope=4.0, target_s=10.0), Tier("standard", slope=1.0, target_s=40.0))

    def share(discipline: Discipline, tier: int, other: int, wait_s: float = 60.0) -> float:
        return overtaking_share(TierPolicy(discipline, tiers), tier, other, wait_s)

    assert [share(Discipline.FIFO, 1, 0), share(Discipline.QUEUE_RATIO, 1, 0)] == [0.0, 0.0]
    assert [share(Discipline.LIFO, 1, 1), share(Discipline.LIFO, 0, 1)] == [1.0, 1.0]
    assert [share(Discipline.STRICT, 1, 0), share(Discipline.STRICT, 0, 1), share(Discipline.STRICT, 1, 1)] == [1, 0, 0]
    # Points four times as fast: who comes within the first three quarters of the wait has caught up.
    assert [share(Discipline.ACCUMULATING, 1, 0), share(Discipline.ACCUMULATING, 0, 1)] == [0.75, 0.0]
    assert share(Discipline.TARGET, 1, 0) == 0.75


def test_a_head_start_overtakes_who_has_not_waited_for_as_long() -> None:
    policy = TierPolicy(Discipline.ACCUMULATING, (Tier("vip", head_start_s=30.0), Tier("standard")))
    assert overtaking_share(policy, 1, 0, 20.0) == 1.0
    assert overtaking_share(policy, 1, 0, 120.0) == 0.25
    assert overtaking_share(policy, 0, 1, 120.0) == 0.0


# ---- What was told is what came ----


def well_calibrated(found: Calibration, points: float = 0.03) -> bool:
    assert found.between is not None
    assert found.beyond_p90 is not None
    return abs(found.between - 0.4) <= points and found.beyond_p90 <= 0.1 + points


@pytest.mark.parametrize(("load", "patience"), [(1.2, 1.0), (1.05, 2.0)])
def test_a_hundred_agents_are_foretold_as_well_as_by_who_knows_their_rates(load: float, patience: float) -> None:
    judged = Pool(100, load, patience, seed=1).run(15_000)[0]
    assert judged.rase_ratio <= 1.05
    found = calibration(judged.forecasts)
    assert well_calibrated(found)
    assert found.median_error is not None
    assert found.median_error <= 0.25


def test_in_a_small_team_the_interval_is_wide_but_right() -> None:
    judged = Pool(5, 1.0, 2.0, seed=1).run(15_000)[0]
    assert judged.rase_ratio <= 1.05
    assert well_calibrated(calibration(judged.forecasts))


@pytest.mark.parametrize("agents", [3, 20])
def test_the_ages_of_regular_contacts_make_better_forecasts(agents: int) -> None:
    told_ages = Pool(agents, 1.0, 2.0, seed=1, handling=lognormal(0.2)).run(8_000)[0]
    untold = Pool(agents, 1.0, 2.0, seed=1, handling=lognormal(0.2), ages_known=False).run(8_000)[0]
    assert told_ages.rase_ratio < 0.93 * untold.rase_ratio < 0.95


def test_handling_times_of_a_real_center_are_foretold_as_well_as_exponential_ones() -> None:
    judged = Pool(50, 1.05, 2.0, seed=2, handling=lognormal(1.16)).run(15_000)[0]
    assert judged.rase_ratio <= 1.05
    found = calibration(judged.forecasts)
    assert found.beyond_p90 is not None
    assert found.beyond_p90 <= 0.13


def test_each_tier_is_told_what_comes_to_it_although_others_overtake() -> None:
    strict = TierPolicy(Discipline.STRICT)
    high, low = Pool(100, 1.05, 2.0, seed=1, tiers=(0.3, 0.7), policy=strict, ages_known=False).run(20_000)
    assert well_calibrated(calibration(high.forecasts), points=0.05)
    assert well_calibrated(calibration(low.forecasts), points=0.05)
    *_, blind = Pool(100, 1.05, 2.0, seed=1, tiers=(0.3, 0.7), policy=None, ages_known=False).run(20_000)
    found = calibration(blind.forecasts)
    assert found.beyond_p90 is not None
    assert found.beyond_p90 > 0.13, "who doesn't count overtakers promises too much"


def test_a_wrong_belief_about_who_serves_is_corrected_by_what_came() -> None:
    pool = Pool(100, 1.05, 2.0, seed=1, believed=0.6, ages_known=False)
    judged = pool.run(15_000)[0]
    assert pool.history.factor == pytest.approx(0.6, abs=0.06)
    assert judged.rase_ratio <= 1.1


def test_what_the_impatient_did_not_wait_for_does_not_shorten_the_factor() -> None:
    # Each caller would wait exactly what is told, 100 s, or give up before.
    rng = random.Random(17)
    history = QueueHistory(aht_s=100.0)
    told = Estimate(1, 100.0, 100.0, 100.0)
    for number in range(20_000):
        now, patience_s, wait_s = number * 5.0, rng.expovariate(1 / 200.0), rng.uniform(50.0, 150.0)
        if patience_s < wait_s:
            history.abandoned(now, patience_s)
        else:
            promise = Promise()
            promise.update(told, now - wait_s)
            history.started(now, wait_s, in_time=False, promise=promise)
    assert history.factor == pytest.approx(1.0, abs=0.02)


# ---- Service level and arrivals ----


def test_the_service_level_is_that_of_the_last_half_hour() -> None:
    history = QueueHistory()
    assert history.service_level(0.0) is None
    history.started(10.0, 5.0, in_time=True)
    history.started(20.0, 50.0, in_time=False)
    assert history.service_level(30.0) == 0.5
    history.abandoned(600.0, 40.0)
    assert history.service_level(600.0) == pytest.approx(1 / 3)
    history.abandoned(601.0, 3.0)  # a short abandon
    assert history.service_level(601.0) == pytest.approx(1 / 3)
    assert history.service_level(2_000.0) == 0.0
    assert history.service_level(4_000.0) is None


def test_arrivals_are_counted_by_tier_over_the_last_half_hour() -> None:
    history = QueueHistory()
    assert history.arrival_rates(0.0) == {}
    for number in range(360):
        history.entered(number * 10.0, tier=number % 3 % 2)
    rates = history.arrival_rates(3_600.0)
    assert rates == {0: pytest.approx(2 / 30, rel=0.05), 1: pytest.approx(1 / 30, rel=0.05)}
    assert history.arrival_rate(3_600.0) == pytest.approx(0.1, rel=0.05)
    assert history.arrival_rate(3_600.0 + 1_900.0) == 0.0
    history.entered(9_000.0, tier=2)
    assert list(history.arrival_rates(9_000.0)) == [2]


def test_a_clock_that_steps_back_is_no_time_passed() -> None:
    history = after(100)
    before = history.estimate(ahead=2, serving=2.0, idle=0, ages=(), now=1_000.0)
    history.ended(-5_000.0, 180.0)
    history.started(-5_000.0, 0.0, in_time=True)
    history.entered(-5_000.0)
    again = history.estimate(ahead=2, serving=2.0, idle=0, ages=(), now=1_000.0)
    assert again.mean_s == pytest.approx(before.mean_s, rel=0.01)


# ---- A promise ----


def test_what_a_contact_is_told_counts_down_and_stands_still_where_it_would_rise() -> None:
    promise = Promise()
    first = Estimate(3, 100.0, 180.0, 110.0)
    assert promise.update(first, 0.0) == first
    slower = Estimate(3, 120.0, 170.0, 125.0)
    assert promise.update(slower, 30.0) == Estimate(3, 100.0, 170.0, 110.0)
    assert promise.rose_because is None
    assert (promise.first, promise.first_at) == (first, 0.0)


def test_what_a_contact_is_told_rises_for_a_cause_that_is_kept() -> None:
    promise = Promise()
    promise.update(Estimate(3, 100.0, 180.0, 110.0), 0.0)
    promise.update(Estimate(2, 80.0, 150.0, 90.0), 20.0, "agents_left")
    fell = promise.rose_because
    risen = Estimate(4, 130.0, 200.0, 140.0)
    assert promise.update(risen, 40.0, "overtaken") == risen
    assert [fell, promise.rose_because] == [None, "overtaken"]
    assert promise.rose_at == 40.0


def test_an_endless_wait_becomes_a_promise_once_somebody_serves() -> None:
    promise = Promise()
    promise.update(Estimate(1, math.inf, math.inf, math.inf), 0.0)
    known = Estimate(1, 20.0, 60.0, 30.0)
    assert promise.update(known, 5.0) == known


# ---- Calibration ----


def told(p50_s: float = 100.0, p90_s: float = 200.0, mean_s: float = 100.0) -> Estimate:
    return Estimate(1, p50_s, p90_s, mean_s)


def test_shares_bias_and_errors_of_answered_contacts() -> None:
    waits_s = [50.0, 90.0, 120.0, 160.0, 250.0]
    found = calibration(Forecast(told(), wait_s) for wait_s in waits_s)
    assert found.beyond_p50 == pytest.approx(3 / 5)
    assert found.between == pytest.approx(2 / 5)
    assert found.beyond_p90 == pytest.approx(1 / 5)
    assert found.bias_s == pytest.approx(34.0)
    assert found.median_error == pytest.approx(60.0 / 160.0)
    assert found.rase == pytest.approx(math.sqrt((50**2 + 10**2 + 20**2 + 60**2 + 150**2) / 5) / 134.0)


def test_who_gave_up_counts_until_they_were_gone() -> None:
    forecasts = [
        Forecast(told(), 40.0, answered=False),
        Forecast(told(), 50.0),
        Forecast(told(), 80.0, answered=False),
        Forecast(told(), 150.0),
        Forecast(told(), 300.0),
    ]
    found = calibration(forecasts)
    # Kaplan and Meier: of four there at 50 s three stay on, of two there at 150 s one.
    assert found.beyond_p50 == pytest.approx(3 / 4)
    assert found.beyond_p90 == pytest.approx(3 / 4 * 1 / 2)
    assert (found.forecasts, found.answered) == (5, 3)


def test_who_was_told_nothing_is_counted_apart_and_who_need_not_wait_not_at_all() -> None:
    endless = Estimate(1, math.inf, math.inf, math.inf)
    found = calibration([Forecast(endless, 80.0), Forecast(told(0.0, 0.0, 0.0), 0.0)])
    assert found == Calibration(0, 0, 1, None, None, None, None, None, None)
    assert calibration([Forecast(told(), 10.0, answered=False)]).rase is None
    assert calibration([Forecast(told(), 0.0)]).median_error is None


def test_estimates_that_promise_half_the_wait_are_found_out() -> None:
    judged = Pool(20, 1.0, 2.0, seed=1).run(6_000)[0]
    halved = [
        replace(each, told=replace(each.told, p50_s=each.told.p50_s / 2, p90_s=each.told.p90_s / 2))
        for each in judged.forecasts
    ]
    assert well_calibrated(calibration(judged.forecasts), points=0.05)
    assert not well_calibrated(calibration(halved), points=0.05)
