"""What the report on estimates takes and answers: waits told against waits that came."""

from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from api.report_schemas import FIRST, LAST, PRINTABLE, FormulaBody, formula_body
from api.schemas import Answer
from routing.metrics import Unit

DAYS_MAX: Final = 31


class EstimatesRequest(BaseModel):
    """Which forecasts: those told in this time, in this queue or in all."""

    model_config = ConfigDict(extra="forbid")

    from_: AwareDatetime = Field(alias="from", ge=FIRST, le=LAST, description="RFC 3339 with a zone; included")
    to: AwareDatetime = Field(ge=FIRST, le=LAST, description=f"Not included; at most {DAYS_MAX} days after `from`")
    queue: str | None = Field(None, max_length=64, pattern=PRINTABLE)

    @field_validator("to")
    @classmethod
    def _in_order(cls, to: datetime, info: ValidationInfo) -> datetime:
        start = info.data.get("from_")
        if start is not None and to <= start:
            raise PydanticCustomError("range", "must be later than from")
        if start is not None and to - start > timedelta(days=DAYS_MAX):
            raise PydanticCustomError("range", f"must be at most {DAYS_MAX} days after from; ask in parts")
        return to


class ForecastsRequest(EstimatesRequest):
    """The forecasts behind the numbers of a report, in pages."""

    limit: int = Field(200, ge=1, le=1000)
    cursor: str | None = Field(None, max_length=200, description="next_cursor of the page before")


class CalibrationBody(Answer):
    """How good the forecasts of a queue were; null where nothing can be said. `formulas` defines every number."""

    queue: str | None = Field(description="Null in the total")
    forecasts: int
    answered: int
    unknown: int
    beyond_p50: float | None = Field(description="Right is 0.5")
    between: float | None = Field(description="Right is 0.4")
    beyond_p90: float | None = Field(description="Right is 0.1")
    bias_s: float | None
    median_error: float | None
    rase: float | None


class EstimatesBody(Answer):
    """Forecasts against what came, by queue and together."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    from_: datetime = Field(alias="from")
    to: datetime
    formulas: list[FormulaBody]
    items: list[CalibrationBody]
    total: CalibrationBody


class ForecastBody(Answer):
    """One forecast, and what came."""

    contact_id: str
    queue: str
    told_at: datetime
    position: int
    p50_s: float | None = Field(description="Null: no end was in sight")
    p90_s: float | None
    mean_s: float | None
    wait_s: float = Field(description="Until it left the queue")
    outcome: str = Field(description="answered, abandoned, diverted …; only answered waits are whole")


class Forecasts(Answer):
    """A page of the forecasts behind a report."""

    items: list[ForecastBody]
    next_cursor: str | None = Field(description="Opaque; null on the last page")


FORMULAS: Final = [
    formula_body(
        "forecasts",
        Unit.COUNT,
        ("count(told a wait > 0)", "count(被告知等候 > 0)"),
        ("Contacts that had to wait, were told how long, and have left the queue", "已告知等候時間且已離開佇列的聯繫"),
    ),
    formula_body(
        "answered",
        Unit.COUNT,
        ("count(forecasts, outcome = answered)", "count(forecasts, 已接聽)"),
        ("Those that an agent answered", "其中由客服接聽者"),
    ),
    formula_body(
        "unknown",
        Unit.COUNT,
        ("count(told no wait)", "count(無法預估)"),
        ("Further contacts for which no end was in sight", "另有無人可服務、無法預估者"),
    ),
    formula_body(
        "beyond_p50",
        Unit.SHARE,
        ("S(1) of wait ÷ P50, Kaplan–Meier", "等候 ÷ P50 的 Kaplan–Meier 存活率 S(1)"),
        ("Share that waits longer than the median it was told, if it stays", "等候超過所告知中位數的比例"),
    ),
    formula_body(
        "between",
        Unit.SHARE,
        ("beyond_p50 − beyond_p90", "beyond_p50 − beyond_p90"),
        ("Share that waits longer than the median, but no longer than P90", "等候介於中位數與 P90 之間的比例"),
    ),
    formula_body(
        "beyond_p90",
        Unit.SHARE,
        ("S(1) of wait ÷ P90, Kaplan–Meier", "等候 ÷ P90 的 Kaplan–Meier 存活率 S(1)"),
        ("Share that waits longer than the P90 it was told, if it stays", "等候超過所告知 P90 的比例"),
    ),
    formula_body(
        "bias_s",
        Unit.SECONDS,
        ("mean(wait − told mean), answered", "mean(等候 − 告知平均),已接聽"),
        ("Above 0: we promise too much", "大於 0 表示預估過於樂觀"),
    ),
    formula_body(
        "median_error",
        Unit.SHARE,
        ("median(|told median − wait| ÷ wait), answered", "median(|告知中位數 − 等候| ÷ 等候),已接聽"),
        ("The usual error of the median", "中位數的典型誤差"),
    ),
    formula_body(
        "rase",
        Unit.SHARE,
        ("√mean((told mean − wait)²) ÷ mean(wait), answered", "√mean((告知平均 − 等候)²) ÷ mean(等候),已接聽"),
        ("Root mean squared error of the mean, relative (Ibrahim and Whitt 2009)", "平均值的相對均方根誤差"),
    ),
]
