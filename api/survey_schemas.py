"""What the report on surveys takes and answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, Self

from pydantic import ConfigDict, Field

from api.report_schemas import PRINTABLE, FigureBody, FormulaBody, Span, formula_body
from api.schemas import Answer, instant
from callcenter.db.surveys import ResponseRow, Responses, SurveyQuery
from ivr.model import Scale
from ivr.survey_figures import OUTCOMES, USABLE, Response, survey_figures
from routing.metrics import Unit

NAME_MAX: Final = 64


class SurveysRequest(Span):
    """Which responses: those to invitations in this time, of one survey or of all."""

    survey: str | None = Field(None, max_length=NAME_MAX, pattern=PRINTABLE)

    @property
    def query(self) -> SurveyQuery:
        """The database's query."""
        return SurveyQuery(self.from_.timestamp(), self.to.timestamp(), self.survey)


class ResponsesRequest(SurveysRequest):
    """Behind which number: how the response ended and, for a question's figures, what it answers."""

    survey: str = Field(max_length=NAME_MAX, pattern=PRINTABLE)
    of: Literal["invited", "usable", "complete", "partial", "unusable", "declined", "pending"] = "invited"
    question: str | None = Field(None, max_length=NAME_MAX, pattern=PRINTABLE)
    scale: Scale | None = None
    answer: int | None = Field(None, ge=0, le=10)
    limit: int = Field(200, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=200, description="next_cursor of the page before")

    @property
    def which(self) -> Responses:
        """The responses behind the number."""
        outcomes = {"invited": OUTCOMES, "usable": USABLE}.get(self.of, (self.of,))
        reply = {"question": self.question, "scale": self.scale, "answer": self.answer}
        return Responses(outcomes, {word: told for word, told in reply.items() if told is not None})


class QuestionBody(Answer):
    """The answers to a question, in complete and partial responses."""

    question: str
    scale: str = Field(description="likert: 1-5; nps: 0-10; yes_no: 1 or 0")
    n: int = Field(description="How many answered it")
    min: int
    max: int
    mean: float
    median: float
    sd: float | None = Field(description="Null of one answer")
    nps: float | None = Field(description="From -1 to 1; null on other scales")
    yes: float | None = Field(description="Null on other scales")


class AlphaBody(Answer):
    """Cronbach's alpha; `value` null: too few questions or responses, or all have the same total."""

    value: float | None
    questions: list[str] = Field(description="The likert questions")
    responses: int = Field(description="Complete responses that answer all of them")


class SurveyBody(Answer):
    """A survey: every invitation is complete, partial, unusable, declined or pending; `formulas` defines the rest."""

    survey: str
    invited: int
    complete: int
    partial: int
    unusable: int
    declined: int
    pending: int
    response_rate: FigureBody
    questions: list[QuestionBody] = Field(description="In the order in which they are asked; those with an answer")
    alpha: AlphaBody


class SurveysBody(Answer):
    """The surveys to which somebody was invited, by name."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    from_: datetime = Field(alias="from")
    to: datetime
    formulas: list[FormulaBody]
    items: list[SurveyBody]


class ReplyBody(Answer):
    """A question's answer."""

    question: str
    scale: str
    answer: int


class ResponseBody(Answer):
    """What became of one invitation."""

    contact_id: str
    at: datetime = Field(description="When the caller was invited")
    outcome: str
    replies: list[ReplyBody]

    @classmethod
    def of(cls, row: ResponseRow) -> Self:
        """The response in the API's words."""
        replies = [ReplyBody.model_validate(reply) for reply in row.response.replies]
        return cls(contact_id=row.contact_id, at=instant(row.at), outcome=row.response.outcome, replies=replies)


class ResponsePageBody(Answer):
    """A page of the responses behind a number: over all pages there are as many of them as it says."""

    items: list[ResponseBody]
    next_cursor: str | None = Field(description="Opaque; null on the last page")


def surveys_body(wanted: SurveysRequest, responses: Mapping[str, Mapping[Response, int]]) -> SurveysBody:
    """The report."""
    items = [_survey(survey, responses[survey]) for survey in sorted(responses)]
    start, end = instant(wanted.query.start), instant(wanted.query.end)
    return SurveysBody.model_validate({"from": start, "to": end, "formulas": FORMULAS, "items": items})


def _survey(survey: str, responses: Mapping[Response, int]) -> SurveyBody:
    found = survey_figures(responses)
    rate = FigureBody(
        value=found.usable / found.invited if found.invited else None,
        numerator=found.usable,
        denominator=found.invited,
    )
    return SurveyBody(
        survey=survey,
        invited=found.invited,
        **found.outcomes,
        response_rate=rate,
        questions=[QuestionBody.model_validate(question) for question in found.questions],
        alpha=AlphaBody.model_validate(found.alpha),
    )


FORMULAS: Final = [
    formula_body(
        "response_rate",
        Unit.SHARE,
        ("(complete + partial) ÷ invited", "(完整 + 部分) ÷ 受邀"),
        ("Usable responses of all invitations", "可用回覆占全部邀請的比例"),
    ),
    formula_body(
        "sd",
        Unit.COUNT,
        ("√(Σ(x − mean)² ÷ (n − 1))", "√(Σ(x − 平均)² ÷ (n − 1))"),
        ("Standard deviation of a sample", "樣本標準差"),
    ),
    formula_body(
        "nps",
        Unit.SHARE,
        ("share(9…10) − share(0…6)", "9 至 10 分占比 − 0 至 6 分占比"),
        ("Promoters minus detractors; customarily told times 100", "推薦者減貶損者;習慣上以乘 100 表示"),
    ),
    formula_body(
        "yes",
        Unit.SHARE,
        ("share(1)", "回答「是」的占比"),
        ("Answered yes", "回答「是」者"),
    ),
    formula_body(
        "alpha",
        Unit.SHARE,
        ("k ÷ (k − 1) · (1 − Σs²ᵢ ÷ s²_T), likert, complete", "k ÷ (k − 1) · (1 − Σs²ᵢ ÷ s²_T),五點量表、完整回覆"),
        (
            "How well the questions agree (Cronbach 1951): s²ᵢ the variance of a question, s²_T of the totals",
            "題目的一致性 (Cronbach 1951):s²ᵢ 為各題變異數,s²_T 為總分變異數",
        ),
    ),
]
