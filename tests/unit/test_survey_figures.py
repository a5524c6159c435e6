"""What the responses to a survey add up to (T28): tables of answers, the fixture of alpha, what cannot be said."""

from collections import Counter
from collections.abc import Sequence

import pytest

from ivr.survey_figures import Alpha, Reply, Response, cronbach_alpha, question_figures, survey_figures

FIXTURE = [(1, 2, 1), (2, 2, 3), (3, 3, 3), (4, 4, 5), (5, 5, 4), (3, 4, 3)]


def complete(*answers: int) -> Response:
    return Response("complete", tuple(Reply(f"q{n}", "likert", answer) for n, answer in enumerate(answers, 1)))


def test_alpha_of_the_fixture() -> None:
    assert cronbach_alpha(Counter(FIXTURE)) == pytest.approx(0.93525, abs=5e-6)
    found = survey_figures(Counter(complete(*row) for row in FIXTURE))
    assert found.alpha == Alpha(cronbach_alpha(Counter(FIXTURE)), ("q1", "q2", "q3"), 6)


@pytest.mark.parametrize(
    ("rows", "alpha"),
    [
        ([], None),
        ([(3, 4)], None),
        ([(1,), (5,)], None),
        ([(3, 4), (3, 4), (3, 4)], None),
        ([(1, 5), (5, 1)], None),  # all totals are the same
        ([(1, 1), (2, 2), (5, 5)], 1.0),
        ([(1, 4), (5, 3)], -16.0 / 9.0),  # they contradict each other
    ],
)
def test_alpha_needs_two_questions_two_responses_and_totals_that_differ(
    rows: Sequence[tuple[int, ...]], alpha: float | None
) -> None:
    assert cronbach_alpha(Counter(rows)) == (None if alpha is None else pytest.approx(alpha))


@pytest.mark.parametrize(
    ("scale", "answers", "least", "largest", "mean", "median", "sd"),
    [
        ("likert", [5], 5, 5, 5.0, 5.0, None),
        ("likert", [4, 4, 4], 4, 4, 4.0, 4.0, 0.0),
        ("likert", [1, 2, 3, 4, 5, 3], 1, 5, 3.0, 3.0, 1.414214),
        ("likert", [1, 2, 4, 5], 1, 5, 3.0, 3.0, 1.825742),
        ("likert", [2, 2, 3, 5], 2, 5, 3.0, 2.5, 1.414214),
        ("nps", [0, 10, 10, 9, 7], 0, 10, 7.2, 9.0, 4.207137),
        ("yes_no", [1, 1, 0], 0, 1, 2 / 3, 1.0, 0.577350),
    ],
)
def test_least_largest_mean_median_and_deviation(
    scale: str, answers: Sequence[int], least: int, largest: int, mean: float, median: float, sd: float | None
) -> None:
    found = question_figures("q", scale, Counter(answers))
    assert (found.n, found.min, found.max, found.median) == (len(answers), least, largest, median)
    assert found.mean == pytest.approx(mean)
    assert found.sd == (None if sd is None else pytest.approx(sd, abs=5e-7))


def test_nps_is_promoters_minus_detractors_and_yes_the_share_of_yes() -> None:
    recommend = question_figures("recommend", "nps", Counter([0, 6, 7, 8, 9, 10, 10, 10]))
    assert (recommend.nps, recommend.yes) == (0.25, None)
    solved = question_figures("solved", "yes_no", Counter([1, 1, 1, 0]))
    assert (solved.nps, solved.yes) == (None, 0.75)
    assert question_figures("q", "likert", Counter([3])).nps is None


def test_of_nobody_nothing_can_be_said() -> None:
    found = survey_figures({})
    assert (found.invited, found.usable, found.questions, found.alpha) == (0, 0, (), Alpha(None, (), 0))


def test_what_a_partial_response_answers_counts_but_not_for_alpha() -> None:
    partial = Response("partial", (Reply("q1", "likert", 1),))
    found = survey_figures(
        {complete(4, 5): 1, complete(2, 2): 1, partial: 2, Response("declined"): 3, Response("unusable"): 1}
    )
    assert found.outcomes == {"complete": 2, "partial": 2, "unusable": 1, "declined": 3, "pending": 0}
    assert (found.invited, found.usable) == (8, 4)
    assert [(one.question, one.n, one.mean) for one in found.questions] == [("q1", 4, 2.0), ("q2", 2, 3.5)]
    assert found.alpha.responses == 2
    all_but_the_last = Response("partial", complete(1, 5).replies)
    assert survey_figures({complete(4, 5): 1, complete(2, 2): 1, all_but_the_last: 1}).alpha == found.alpha


def test_questions_stand_in_the_order_in_which_they_are_asked_and_a_changed_scale_is_another_question() -> None:
    before = Response("complete", (Reply("tone", "likert", 4), Reply("again", "yes_no", 1)))
    after = Response("complete", (Reply("tone", "likert", 5), Reply("again", "likert", 2)))
    found = survey_figures({before: 1, after: 1})
    assert [(one.question, one.scale, one.n) for one in found.questions] == [
        ("tone", "likert", 2),
        ("again", "likert", 1),
        ("again", "yes_no", 1),
    ]
    assert found.alpha == Alpha(None, ("tone", "again"), 1)
