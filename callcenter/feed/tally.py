"""What committed events add up to since the start, where no state of now could tell it: for the metrics."""

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from typing import Final

import msgspec

from callcenter.ports import Entry
from routing.waiting.calibration import Calibration, Forecast, calibration
from routing.waiting.estimate import Estimate

FORECASTS_MAX: Final = 1_000
"""The calibration is that of so many contacts, the latest."""
WAITING_MAX: Final = 100_000
REASONS_MAX: Final = 200
OTHER: Final = "other"


class _Settled(msgspec.Struct):
    outcome: str


class _Estimated(msgspec.Struct):
    position: int
    p50_s: float | None = None
    p90_s: float | None = None
    mean_s: float | None = None


class _Left(msgspec.Struct):
    queue: str
    outcome: str
    wait_s: float
    why: str | None = None


_settled = msgspec.json.Decoder(_Settled).decode
_estimated = msgspec.json.Decoder(_Estimated).decode
_left = msgspec.json.Decoder(_Left).decode


class Tally:
    """Offers by outcome, contacts diverted by (queue, reason), and what was told of waits against what came."""

    def __init__(self) -> None:
        self.offers: Counter[str] = Counter()
        self.diverted: Counter[tuple[str, str]] = Counter()
        self._told: OrderedDict[str, Estimate] = OrderedDict()  # by stream, while the contact waits
        self._forecasts: deque[Forecast] = deque(maxlen=FORECASTS_MAX)

    def take(self, committed: Sequence[tuple[int, Entry]]) -> None:
        """Count these events, in order; those of other types cost a look at their type."""
        for _, entry in committed:
            match entry.type:
                case "offer.settled":
                    self.offers[_settled(entry.data).outcome] += 1
                case "queue.estimated":
                    self._tell(entry)
                case "queue.left":
                    self._leave(entry)
                case _:
                    pass

    def calibration(self) -> Calibration:
        """How good the latest forecasts were, of contacts that have left their queue."""
        return calibration(self._forecasts)

    def _tell(self, entry: Entry) -> None:
        body = _estimated(entry.data)
        self._told[entry.stream] = told(body.position, body.p50_s, body.p90_s, body.mean_s)
        if len(self._told) > WAITING_MAX:
            self._told.popitem(last=False)

    def _leave(self, entry: Entry) -> None:
        body = _left(entry.data)
        if body.outcome == "diverted" or (body.outcome == "callback" and body.why not in {"key", "flow"}):
            cause = (body.queue, body.why or OTHER)
            known = cause in self.diverted or len(self.diverted) < REASONS_MAX
            self.diverted[cause if known else (OTHER, OTHER)] += 1
        estimate = self._told.pop(entry.stream, None)
        if estimate is not None:
            self._forecasts.append(Forecast(estimate, body.wait_s, answered=body.outcome == "answered"))


def told(position: int, p50_s: float | None, p90_s: float | None, mean_s: float | None) -> Estimate:
    """The estimate of a `queue.estimated`; nulls are waits without an end. Without a mean, the median stands for it."""
    end_s = math.inf if p50_s is None else p50_s
    mean_or_median_s = end_s if mean_s is None else mean_s
    return Estimate(position, end_s, math.inf if p90_s is None else p90_s, mean_or_median_s)
