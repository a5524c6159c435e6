"""The variables that every flow can read and none can set: what is known of the caller, and the hour."""

from collections.abc import Collection, Mapping
from datetime import datetime

from ivr.calendar import WEEKDAYS
from ivr.expression import Type, Value
from ivr.prompts import Language
from ivr.turn import Facts
from ivr.types import Declared

TYPES: Mapping[str, Type] = {
    "tier": Type.TEXT,
    "language": Type.TEXT,
    "known": Type.BOOLEAN,
    "open_case": Type.BOOLEAN,
    "open_order": Type.BOOLEAN,
    "at_risk": Type.BOOLEAN,
    "verified": Type.BOOLEAN,
    "hour": Type.NUMBER,
    "weekday": Type.TEXT,
    "today": Type.DATE,
}


def read(name: str, facts: Facts, language: Language, now: float) -> Value | None:
    """What a read-only variable is at this moment; None for any other name. `verified`: as the visit began."""
    match name:
        case "tier":
            return facts.value_tier
        case "language":
            return language
        case "known" | "open_case" | "open_order" | "at_risk" | "verified":
            known: bool = getattr(facts, name)
            return known
        case "hour":
            return _wall(facts, now).hour
        case "weekday":
            return WEEKDAYS[_wall(facts, now).weekday()]
        case "today":
            return _wall(facts, now).date().isoformat()
        case _:
            return None


def declared(
    variables: Mapping[str, Type], *, tiers: Collection[str] | None, languages: Collection[str] | None
) -> dict[str, Declared]:
    """Every variable that an expression of a flow may name: the read-only ones and its own."""
    words = {"tier": tiers, "language": languages, "weekday": WEEKDAYS}
    given = {name: Declared(kind, words.get(name)) for name, kind in TYPES.items()}
    return given | {name: Declared(kind) for name, kind in variables.items()}


def _wall(facts: Facts, now: float) -> datetime:
    return datetime.fromtimestamp(now, facts.zone)
