"""What digits are for a variable: themselves, a number or a day."""

from datetime import date

from ivr.expression import Type, Value, fits

_ROC_FIRST = 1912


def value_of(digits: str, kind: Type) -> Value | None:
    """What the digits are for a variable of this type; None if they make no sense."""
    match kind:
        case Type.NUMBER:
            number = int(digits)
            return number if fits(number, kind) else None
        case Type.DATE:
            return _day(digits)
        case _:
            return digits


def _day(digits: str) -> str | None:
    """20261120, or 1151120 by the years of the Republic; None if there is no such day."""
    if len(digits) not in {7, 8}:
        return None
    year = int(digits[:-4]) + (_ROC_FIRST - 1 if len(digits) == 7 else 0)
    try:
        return date(year, int(digits[-4:-2]), int(digits[-2:])).isoformat()
    except ValueError:
        return None
