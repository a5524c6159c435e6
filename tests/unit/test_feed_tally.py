"""Counting committed events: offers by outcome, contacts diverted by reason, forecasts against the waits that came."""

import msgspec
import pytest

from callcenter.contact import events as ev
from callcenter.feed import tally as tallies
from callcenter.feed.tally import OTHER, Tally
from callcenter.ports import Entry


def take(tally: Tally, *told: tuple[str, ev.Body]) -> None:
    """Let the tally hear these events of (stream, body)."""
    entries = [Entry(stream, 1, 0.0, body.type, 1, msgspec.json.encode(body), "site") for stream, body in told]
    tally.take(list(enumerate(entries, start=1)))


def test_offers_are_counted_by_outcome() -> None:
    tally = Tally()
    outcomes = ("accepted", "no_answer", "accepted")
    take(tally, *[("contact/c1", ev.OfferSettled("c1.o1", "ann", outcome, 1.0)) for outcome in outcomes])
    assert tally.offers == {"accepted": 2, "no_answer": 1}


def test_diverted_contacts_are_counted_by_queue_and_reason_and_others_are_not() -> None:
    tally = Tally()
    take(
        tally,
        ("contact/c1", ev.QueueLeft("vip", "diverted", 9.0, "full", "voicemail")),
        ("contact/c2", ev.QueueLeft("vip", "diverted", 9.0, "full", "voicemail")),
        ("contact/c3", ev.QueueLeft("vip", "answered", 9.0)),
        ("contact/c4", ev.QueueLeft("orders", "diverted", 9.0, "hours", "goodbye")),
    )
    assert tally.diverted == {("vip", "full"): 2, ("orders", "hours"): 1}


def test_reasons_that_people_make_up_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "REASONS_MAX", 2)
    tally = Tally()
    take(tally, *[("contact/c", ev.QueueLeft("vip", "diverted", 1.0, f"reason {n}")) for n in (1, 2, 3, 4, 1)])
    assert tally.diverted == {("vip", "reason 1"): 2, ("vip", "reason 2"): 1, (OTHER, OTHER): 2}


def test_a_forecast_is_judged_when_its_contact_leaves_the_queue() -> None:
    tally = Tally()
    take(tally, ("contact/c1", ev.QueueEstimated("vip", 1, 50.0, 100.0, 55.0)))
    assert tally.calibration().forecasts == 0
    take(tally, ("contact/c1", ev.QueueLeft("vip", "answered", 75.0)))
    found = tally.calibration()
    assert (found.forecasts, found.answered) == (1, 1)
    assert (found.beyond_p50, found.between, found.beyond_p90) == (1.0, 1.0, 0.0)
    assert found.bias_s == 20.0
    assert found.median_error == pytest.approx(1 / 3)


def test_who_gives_up_is_no_error_and_who_was_told_nothing_is_counted_apart() -> None:
    tally = Tally()
    take(
        tally,
        ("contact/c1", ev.QueueEstimated("vip", 1, 50.0, 100.0, 55.0)),
        ("contact/c2", ev.QueueEstimated("vip", 2, None, None)),
        ("contact/c1", ev.QueueLeft("vip", "answered", 25.0)),
        ("contact/c2", ev.QueueLeft("vip", "abandoned", 75.0)),
        ("contact/c3", ev.QueueLeft("vip", "answered", 3.0)),  # offered at once: nothing was told
    )
    found = tally.calibration()
    assert (found.forecasts, found.answered, found.unknown) == (1, 1, 1)


def test_a_contact_that_moves_on_is_told_and_judged_once_a_queue() -> None:
    tally = Tally()
    for queue in ("vip", "orders"):
        take(tally, ("contact/c1", ev.QueueEstimated(queue, 1, 50.0, 100.0, 55.0)))
        take(tally, ("contact/c1", ev.QueueLeft(queue, "diverted" if queue == "vip" else "answered", 60.0)))
    assert (tally.calibration().forecasts, tally.calibration().answered) == (2, 1)


def test_events_of_before_the_mean_was_told_have_the_median() -> None:
    body = b'{"queue": "vip", "position": 1, "p50_s": 50.0, "p90_s": 100.0, "later": true}'
    tally = Tally()
    tally.take([(1, Entry("contact/c1", 1, 0.0, "queue.estimated", 1, body, "site"))])
    take(tally, ("contact/c1", ev.QueueLeft("vip", "answered", 60.0)))
    assert tally.calibration().bias_s == 10.0


def test_memory_is_bounded_however_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "WAITING_MAX", 2)
    tally = Tally()
    take(tally, *[(f"contact/c{n}", ev.QueueEstimated("vip", n, 50.0, 100.0, 55.0)) for n in (1, 2, 3)])
    take(tally, *[(f"contact/c{n}", ev.QueueLeft("vip", "answered", 60.0)) for n in (1, 2, 3)])
    assert tally.calibration().forecasts == 2
