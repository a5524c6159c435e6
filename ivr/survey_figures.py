"""What the responses to a survey add up to: who took part, each question's figures, how well the questions agree.

Answers are whole numbers and are added up as such; each figure is divided once, at its end.
"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Final

from ivr.model import Scale

OUTCOMES: Final = ("complete", "partial", "unusable", "declined", "pending")
USABLE: Final = ("complete", "partial")
PROMOTER_MIN: Final = 9
DETRACTOR_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Reply:
    """One question's answer: 1-5 (likert), 0-10 (nps), 1 or 0 (yes_no)."""

    question: str
    scale: str
    answer: int


@dataclass(frozen=True, slots=True)
class Response:
    """What became of one invitation, one of OUTCOMES, and the replies in the order in which they were given.

    pending: nothing was answered, and no end is known (the caller is being asked, or the contact was lost).
    """

    outcome: str
    replies: tuple[Reply, ...] = ()


@dataclass(frozen=True, slots=True)
class QuestionFigures:
    """The n answers to a question. `sd` is that of a sample (n − 1), None of one answer.

    `nps` is the share of 9 and 10 minus that of 0 to 6, from −1 to 1; `yes` the share of 1. None on other scales.
    """

    question: str
    scale: str
    n: int
    min: int
    max: int
    mean: float
    median: float
    sd: float | None
    nps: float | None
    yes: float | None


@dataclass(frozen=True, slots=True)
class Alpha:
    """Cronbach's alpha over these questions, of so many responses; `value` None where nothing can be said."""

    value: float | None
    questions: tuple[str, ...]
    responses: int


@dataclass(frozen=True, slots=True)
class SurveyFigures:
    """A survey: invitations by what became of them, its questions in the order in which they are asked, and alpha."""

    outcomes: Mapping[str, int]
    questions: tuple[QuestionFigures, ...]
    alpha: Alpha

    @property
    def invited(self) -> int:
        """All invitations."""
        return sum(self.outcomes.values())

    @property
    def usable(self) -> int:
        """The responses that answer something: complete and partial ones."""
        return sum(self.outcomes[outcome] for outcome in USABLE)


def survey_figures(responses: Mapping[Response, int]) -> SurveyFigures:
    """The figures of a survey with so many of each response. What a partial response answers counts too."""
    outcomes = dict.fromkeys(OUTCOMES, 0)
    answers: dict[tuple[str, str], Counter[int]] = {}
    places: dict[tuple[str, str], int] = {}
    for response, times in responses.items():
        outcomes[response.outcome] += times
        for place, reply in enumerate(response.replies):
            asked = reply.question, reply.scale
            answers.setdefault(asked, Counter())[reply.answer] += times
            places[asked] = min(place, places.get(asked, place))
    in_order = sorted(answers, key=lambda asked: (places[asked], asked))
    return SurveyFigures(
        outcomes=outcomes,
        questions=tuple(question_figures(*asked, answers[asked]) for asked in in_order),
        alpha=_agreement([question for question, scale in in_order if scale == Scale.LIKERT.value], responses),
    )


def question_figures(question: str, scale: str, answers: Mapping[int, int]) -> QuestionFigures:
    """The figures of a question with so many (at least one) of each answer."""
    n = sum(answers.values())
    assert n > 0

    def share(least: int, most: int) -> Fraction:
        return Fraction(sum(times for answer, times in answers.items() if least <= answer <= most), n)

    return QuestionFigures(
        question=question,
        scale=scale,
        n=n,
        min=min(answers),
        max=max(answers),
        mean=sum(answer * times for answer, times in answers.items()) / n,
        median=_median(answers),
        sd=math.sqrt(_variance(answers)) if n > 1 else None,
        nps=float(share(PROMOTER_MIN, 10) - share(0, DETRACTOR_MAX)) if scale == Scale.NPS.value else None,
        yes=float(share(1, 1)) if scale == Scale.YES_NO.value else None,
    )


def cronbach_alpha(rows: Mapping[tuple[int, ...], int]) -> float | None:
    """Cronbach's alpha of so many of each row of answers: k/(k−1) · (1 − Σs²ᵢ/s²_T), variances of samples (n − 1).

    At most 1, and negative where the questions contradict each other; None of less than two questions or two rows,
    or if all rows have the same total. L. J. Cronbach, Psychometrika 16 (1951) 297-334.
    """
    k = len(next(iter(rows), ()))
    if k < 2 or sum(rows.values()) < 2:
        return None
    of_totals = _variance(_counted((sum(row), times) for row, times in rows.items()))
    if of_totals == 0:
        return None
    of_questions = sum(_variance(_counted((row[i], times) for row, times in rows.items())) for i in range(k))
    return float(Fraction(k, k - 1) * (1 - of_questions / of_totals))


def _agreement(questions: list[str], responses: Mapping[Response, int]) -> Alpha:
    """Alpha over the likert questions, of the complete responses that answer all of them."""
    rows: Counter[tuple[int, ...]] = Counter()
    for response, times in responses.items():
        if response.outcome == "complete":
            given = {reply.question: reply.answer for reply in response.replies if reply.scale == Scale.LIKERT.value}
            if given.keys() >= set(questions):
                rows[tuple(given[question] for question in questions)] += times
    return Alpha(cronbach_alpha(rows), tuple(questions), rows.total())


def _counted(numbers: Iterable[tuple[int, int]]) -> Counter[int]:
    counts: Counter[int] = Counter()
    for number, times in numbers:
        counts[number] += times
    return counts


def _variance(counts: Mapping[int, int]) -> Fraction:
    """That of a sample of at least two: Σ(x − mean)² ÷ (n − 1), exactly."""
    n = sum(counts.values())
    total = sum(number * times for number, times in counts.items())
    squares = sum(number * number * times for number, times in counts.items())
    return Fraction(n * squares - total * total, n * (n - 1))


def _median(counts: Mapping[int, int]) -> float:
    """The middle number, or the mean of the two in the middle."""
    numbers = sorted(counts)
    up_to = list(accumulate(counts[number] for number in numbers))
    n = up_to[-1]
    return (numbers[bisect_right(up_to, (n - 1) // 2)] + numbers[bisect_right(up_to, n // 2)]) / 2
