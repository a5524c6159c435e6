"""The catalogue of metrics: what is counted, and each metric as a formula of it; the formula shown is the one computed.

Sources of the variants: FIELD.md §2.12 (app_queue, Cisco, Genesys Cloud, Amazon Connect, Avaya); of ours, ADR 10.
A formula that changes its meaning gets a new version, so a number says by which rule it was made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["en", "zh-TW"]


class Source(StrEnum):
    """Which records a quantity is counted on."""

    VISIT = "visit"  # a contact's stay in a queue
    OFFER = "offer"  # a contact proposed to an agent
    STATE = "state"  # an agent in one state, second by second


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that adds up: a count, or seconds if the name ends in `_s`."""

    name: str
    source: Source
    en: str
    zh: str

    @property
    def is_time(self) -> bool:
        """Whether it is seconds rather than a count."""
        return self.name.endswith("_s")


_COUNTED: tuple[tuple[Source, str, str, str], ...] = (
    (Source.VISIT, "entered", "entered the queue", "進線"),
    (Source.VISIT, "waiting", "entered, and wait still", "仍在等候"),
    (Source.VISIT, "answered", "an agent answered", "接聽"),
    (Source.VISIT, "answered_in_time", "answered within answer_in_s", "時限內接聽"),
    (Source.VISIT, "abandoned", "the caller left before an agent answered", "放棄"),
    (Source.VISIT, "abandoned_in_time", "abandoned within answer_in_s", "時限內放棄"),
    (Source.VISIT, "short_abandons", "abandoned within short_abandon_s", "短暫放棄"),
    (Source.VISIT, "flow_outs", "left by rule: overflow, closing, voicemail, goodbye", "依規則轉出"),
    (Source.VISIT, "callbacks", "the caller took a callback and keeps the place", "預約回電"),
    (Source.VISIT, "callbacks_in_time", "took a callback within answer_in_s", "時限內預約回電"),
    (Source.VISIT, "lost", "we failed: the caller went to the fallback", "系統未能服務"),
    (Source.VISIT, "handled", "answered or called back, and talk and wrap-up are over", "處理完畢"),
    (Source.VISIT, "wait_s", "waits of the answered, ringing included", "接聽者等候秒數"),
    (Source.VISIT, "ring_s", "of these waits, the part in which a phone was rung", "其中響鈴秒數"),
    (Source.VISIT, "talk_s", "talk of the handled, without hold", "通話秒數"),
    (Source.VISIT, "hold_s", "hold of the handled", "保留秒數"),
    (Source.VISIT, "wrap_up_s", "wrap-up of the handled", "話後處理秒數"),
    (Source.OFFER, "offers_accepted", "offers that the agent accepted", "派線接聽"),
    (Source.OFFER, "offers_unanswered", "offers rejected, rung out, busy or unreachable", "派線未接"),
    (Source.OFFER, "offers_caller_gone", "offers during which the caller hung up", "派線中客戶掛斷"),
    (Source.OFFER, "offers_withdrawn", "offers that we took back or that failed on our side", "派線收回"),
    (Source.STATE, "agent_idle_s", "available, with nothing to do", "閒置秒數"),
    (Source.STATE, "agent_reserved_s", "an offer rings", "響鈴秒數"),
    (Source.STATE, "agent_talking_s", "talking, hold included", "通話及保留秒數"),
    (Source.STATE, "agent_wrap_up_s", "in wrap-up", "話後處理秒數"),
)

QUANTITIES: Mapping[str, Quantity] = {name: Quantity(name, source, en, zh) for source, name, en, zh in _COUNTED}


class Unit(StrEnum):
    """What a metric's value is."""

    COUNT = "count"
    SHARE = "share"  # 0…1
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Sum:
    """Quantities added (+1) and taken away (-1)."""

    terms: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, text: str) -> "Sum":
        """The sum that `text` writes down: "entered - short_abandons"."""
        words = ["+", *text.split()]
        terms = tuple((1 if sign == "+" else -1, name) for sign, name in zip(words[::2], words[1::2], strict=True))
        assert all(name in QUANTITIES for _, name in terms), text
        return cls(terms)

    @property
    def is_time(self) -> bool:
        """Whether it is seconds rather than a count; no sum is of both."""
        return QUANTITIES[self.terms[0][1]].is_time

    def shown(self, language: Language) -> str:
        """The sum as people write it."""
        names = [name if language == "en" else QUANTITIES[name].zh for _, name in self.terms]
        signs = ["" if i == 0 else " + " if sign > 0 else " − " for i, (sign, _) in enumerate(self.terms)]
        return "".join(sign + name for sign, name in zip(signs, names, strict=True))


@dataclass(frozen=True, slots=True)
class Metric:
    """A named number. `denominator` None: the value is the numerator itself.

    With `percent` it is a percentile instead: the least wait that so many of the answered contacts did not exceed
    (nearest rank, so somebody really waited that long); the numerator counts who waited no longer.
    """

    id: str
    version: int
    unit: Unit
    numerator: Sum
    denominator: Sum | None
    en: str
    zh: str
    percent: int | None = None

    @property
    def source(self) -> Source:
        """The records that its quantities are counted on; all on the same."""
        return QUANTITIES[self.numerator.terms[0][1]].source

    def formula(self, language: Language = "en") -> str:
        """The rule in one line, in the words of the quantities."""
        above = self.numerator.shown(language)
        if self.percent is not None:
            return f"P{self.percent}({above})"
        if self.denominator is None:
            return above
        below = self.denominator.shown(language)
        return f"{_bracketed(above, self.numerator)} ÷ {_bracketed(below, self.denominator)}"


def _bracketed(text: str, total: Sum) -> str:
    return f"({text})" if len(total.terms) > 1 else text


def _metric(name: str, unit: Unit, above: str, below: str, en: str, zh: str) -> Metric:
    return Metric(name, 1, unit, Sum.of(above), Sum.of(below), en, zh)


_TIME_BUSY = "agent_reserved_s + agent_talking_s + agent_wrap_up_s"
_TIME_SERVING = "agent_talking_s + agent_wrap_up_s"

_RATIOS: tuple[Metric, ...] = (
    _metric("service_level", Unit.SHARE, "answered_in_time", "entered - short_abandons",
            "Our service level (ADR 10): short abandons do not count, whoever waits still does",
            "本系統的服務水準（ADR 10）：短暫放棄不計，仍在等候者計入"),
    _metric("sl_answered", Unit.SHARE, "answered_in_time", "answered",
            "Of the answered only; app_queue's SL. Says nothing of those who gave up",
            "只看已接聽者；即 app_queue 的 SL，看不出有多少人放棄"),
    _metric("sl_all", Unit.SHARE, "answered_in_time + abandoned_in_time", "answered + abandoned",
            "Early abandons count as served; app_queue's SL2, Cisco's abandon positive",
            "時限內放棄視為達成；app_queue 的 SL2、Cisco 的正向計法"),
    _metric("sl_ignore", Unit.SHARE, "answered_in_time", "answered + abandoned - abandoned_in_time",
            "Early abandons do not count; Cisco's ignore abandoned",
            "時限內放棄不計；Cisco 的忽略計法"),
    _metric("sl_negative", Unit.SHARE, "answered_in_time", "answered + abandoned",
            "Every abandon counts as missed; Cisco's abandon negative",
            "所有放棄視為未達成；Cisco 的負向計法"),
    _metric("sl_genesys", Unit.SHARE, "answered_in_time", "answered + abandoned",
            "Genesys Cloud; switches: abandons and short abandons in, flow-outs out",
            "Genesys Cloud；開關：計入放棄與短暫放棄，不計轉出"),
    _metric("sl_genesys_f", Unit.SHARE, "answered_in_time", "answered + abandoned + flow_outs",
            "Genesys Cloud; switches: abandons, short abandons and flow-outs in",
            "Genesys Cloud；開關：計入放棄、短暫放棄與轉出"),
    _metric("sl_genesys_s", Unit.SHARE, "answered_in_time", "answered + abandoned - short_abandons",
            "Genesys Cloud; switches: abandons in, short abandons and flow-outs out",
            "Genesys Cloud；開關：計入放棄，不計短暫放棄與轉出"),
    _metric("sl_genesys_fs", Unit.SHARE, "answered_in_time", "answered + abandoned + flow_outs - short_abandons",
            "Genesys Cloud; switches: abandons and flow-outs in, short abandons out",
            "Genesys Cloud；開關：計入放棄與轉出，不計短暫放棄"),
    _metric("sl_genesys_b", Unit.SHARE, "answered_in_time", "answered",
            "Genesys Cloud; switches: abandons (short ones too) and flow-outs out",
            "Genesys Cloud；開關：放棄（含短暫放棄）與轉出都不計"),
    _metric("sl_genesys_fb", Unit.SHARE, "answered_in_time", "answered + flow_outs",
            "Genesys Cloud; switches: abandons (short ones too) out, flow-outs in",
            "Genesys Cloud；開關：放棄（含短暫放棄）不計，計入轉出"),
    _metric("sl_removed", Unit.SHARE, "answered_in_time + abandoned_in_time + callbacks_in_time", "entered",
            "Left the queue in time, by whatever way but a rule; Amazon Connect",
            "時限內離開佇列（接聽、放棄、預約回電）；Amazon Connect"),
    _metric("asa_s", Unit.SECONDS, "wait_s", "answered",
            "Mean wait of the answered, from entering the queue until the agent picks up: ringing included",
            "平均應答秒數：自進線至接起，含響鈴"),
    _metric("asa_without_ring_s", Unit.SECONDS, "wait_s - ring_s", "answered",
            "The same without the time in which a phone was rung, in vain or not",
            "平均應答秒數，不含響鈴（含未接的響鈴也不計）"),
    _metric("abandon_rate", Unit.SHARE, "abandoned", "entered",
            "Every abandon; callbacks are none. Amazon Connect",
            "所有放棄；預約回電不算放棄。Amazon Connect"),
    _metric("abandonment", Unit.SHARE, "abandoned - short_abandons", "entered - short_abandons",
            "Our abandonment rate: short abandons apart",
            "本系統的放棄率：短暫放棄另計"),
    _metric("aht_s", Unit.SECONDS, "talk_s + hold_s + wrap_up_s", "handled",
            "Mean talk, hold and wrap-up of the contacts whose wrap-up is over",
            "平均處理時間：通話、保留與話後處理"),
    _metric("agent_non_response", Unit.SHARE, "offers_unanswered + offers_caller_gone",
            "offers_accepted + offers_unanswered + offers_caller_gone",
            "Offers not answered, callers who hung up meanwhile included; withdrawn offers do not count",
            "派線未應答率，含響鈴中客戶掛斷；收回的派線不計"),
    _metric("agent_non_response_without_caller_gone", Unit.SHARE, "offers_unanswered",
            "offers_accepted + offers_unanswered",
            "Offers not answered, those during which the caller hung up left out",
            "派線未應答率，不計響鈴中客戶掛斷"),
    _metric("occupancy", Unit.SHARE, _TIME_BUSY, f"{_TIME_BUSY} + agent_idle_s",
            "Busy time ÷ (busy + idle), ringing is busy; aux excluded. Avaya",
            "占線率，響鈴視為忙碌；離席不計。Avaya"),
    _metric("occupancy_without_ring", Unit.SHARE, _TIME_SERVING, f"{_TIME_SERVING} + agent_idle_s",
            "The same with ringing neither busy nor idle. Amazon Connect",
            "占線率，響鈴既不算忙碌也不算閒置。Amazon Connect"),
)  # fmt: skip

_PERCENTILES = tuple(
    Metric(
        f"wait_p{percent}_s", 1, Unit.SECONDS, Sum.of("wait_s"), Sum.of("answered"),
        f"{percent} % of the answered waited no longer", f"{percent}% 的接聽者等候不超過此秒數", percent,
    )
    for percent in (50, 80, 90, 95)
)  # fmt: skip

_COUNTS = tuple(
    Metric(quantity.name, 1, Unit.SECONDS if quantity.is_time else Unit.COUNT, Sum.of(quantity.name), None,
           quantity.en, quantity.zh)
    for quantity in QUANTITIES.values()
)  # fmt: skip

METRICS: Mapping[str, Metric] = {metric.id: metric for metric in (*_RATIOS, *_PERCENTILES, *_COUNTS)}


def chosen(ids: Iterable[str] | None) -> tuple[Metric, ...]:
    """These metrics in the catalogue's order, all for None; raises KeyError for an id that is none."""
    wanted = METRICS.keys() if ids is None else set(ids)
    for name in wanted:
        METRICS[name]
    return tuple(metric for metric in METRICS.values() if metric.id in wanted)
