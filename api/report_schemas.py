"""What the reports' routes take and answer."""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from api.schemas import Answer
from routing.facts import By, View
from routing.measure import Interval, Part
from routing.metrics import METRICS, Metric, Unit, chosen

FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
DAYS_MAX: Final = 92
PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$"


class Span(BaseModel):
    """Which time."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    from_: AwareDatetime = Field(alias="from", ge=FIRST, le=LAST, description="RFC 3339 with a zone; included")
    to: AwareDatetime = Field(ge=FIRST, le=LAST, description=f"Not included; at most {DAYS_MAX} days after `from`")

    @field_validator("to")
    @classmethod
    def _in_order(cls, to: datetime, info: ValidationInfo) -> datetime:
        start = info.data.get("from_")
        if start is not None and to <= start:
            raise PydanticCustomError("range", "must be later than from")
        if start is not None and to - start > timedelta(days=DAYS_MAX):
            raise PydanticCustomError("range", f"must be at most {DAYS_MAX} days after from; ask in parts")
        return to


class ReportRange(Span):
    """Which time, which groups, and by which rules."""

    by: By = Field(By.QUEUE, description="What rows are made for")
    view: View = Field(View.ENTERED, description="entered: what became of those who entered then; event: what was done")
    answer_in_s: float | None = Field(None, ge=0, le=3600, description="Threshold of in time; else each queue's own")
    short_abandon_s: float = Field(5.0, ge=0, le=3600, description="An abandon until then is a short one")


class ReportRequest(ReportRange):
    """A report."""

    interval: Interval | None = Field(None, description="A row per interval and group; without it, per group")
    metrics: str | None = Field(None, max_length=2000, pattern=PRINTABLE, description="Ids, comma between; else all")
    format: Literal["json", "csv"] | None = Field(None, description="csv also by Accept: text/csv")

    @field_validator("metrics")
    @classmethod
    def _known(cls, metrics: str | None) -> str | None:
        for name in [] if metrics is None else metrics.split(","):
            _refuse_unknown(name)
        return metrics

    @property
    def chosen(self) -> tuple[Metric, ...]:
        """The metrics asked for."""
        return chosen(None if self.metrics is None else self.metrics.split(","))


class ReceiptRequest(ReportRange):
    """The records behind one number: `from` and `to` are those of its row, `key` the row's group."""

    metric: str = Field(max_length=64, pattern=PRINTABLE, examples=["sl_all"])
    part: Part = Field("numerator")
    key: str | None = Field(
        None, max_length=64, pattern=PRINTABLE, description="The row's key, empty for null; without it, the total"
    )
    limit: int = Field(200, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=200, description="next_cursor of the page before")

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str) -> str:
        _refuse_unknown(metric)
        return metric


def _refuse_unknown(metric: str) -> None:
    if metric not in METRICS:
        raise PydanticCustomError("metric", "no such metric; /v1/reports/metrics lists them")


class FigureBody(Answer):
    """A metric's value and the two numbers it is made of; `value` null: there is nothing to divide by."""

    value: float | None
    numerator: float = Field(description="A count, or seconds")
    denominator: float | None = Field(description="Null for what is no ratio")


class ReportRow(Answer):
    """One interval and group; metrics by id."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    from_: datetime = Field(alias="from")
    to: datetime
    key: str | None = Field(description="The queue, agent, skill …; null: nobody's (by agent: not answered)")
    metrics: dict[str, FigureBody]


class FormulaBody(Answer):
    """A metric of the catalogue. Its id and version name the rule by which a number was made."""

    id: str = Field(examples=["sl_all"])
    version: int
    unit: str = Field(description="share, seconds or count")
    formula: str = Field(examples=["(answered_in_time + abandoned_in_time) ÷ (answered + abandoned)"])
    formula_zh: str = Field(examples=["(時限內接聽 + 時限內放棄) ÷ (接聽 + 放棄)"])
    meaning: str
    meaning_zh: str


def formula_body(id_: str, unit: Unit, formulas: tuple[str, str], meanings: tuple[str, str]) -> FormulaBody:
    """A formula in its first version; `formulas` and `meanings` in English and Chinese."""
    return FormulaBody(
        id=id_,
        version=1,
        unit=unit.value,
        formula=formulas[0],
        formula_zh=formulas[1],
        meaning=meanings[0],
        meaning_zh=meanings[1],
    )


class Formulas(Answer):
    """Every metric that there is."""

    items: list[FormulaBody]


class ReportBody(Answer):
    """A report: rows in order of interval and key (none for what nobody entered), and everything together."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    from_: datetime = Field(alias="from")
    to: datetime
    by: By
    view: View
    interval: Interval | None
    as_of: datetime = Field(description="Until when time that still goes on was counted")
    answer_in_s: dict[str, float] = Field(description="The threshold of each queue of the site")
    answer_in_else_s: float = Field(description="That of every other queue")
    short_abandon_s: float
    formulas: list[FormulaBody] = Field(description="The rule by which each metric here was made")
    items: list[ReportRow]
    total: ReportRow


class ReceiptBody(Answer):
    """What one record gave to a number: the amounts of all records add up to it."""

    contact_id: str | None = Field(description="Null for time in which an agent was with nobody")
    agent_id: str | None
    at: datetime = Field(description="When it entered, the offer was made, or the state began")
    amount: float


class Receipts(Answer):
    """A page of the records behind one number."""

    metric: str
    version: int
    formula: str
    part: Part
    items: list[ReceiptBody]
    next_cursor: str | None = Field(description="Opaque; null on the last page")
