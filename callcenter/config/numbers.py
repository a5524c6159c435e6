"""A telephone number as the network sent it becomes E.164, or nothing: safe and cheap for any text."""

import re
from functools import lru_cache

import phonenumbers

# 15 digits, their separators and a `+`: whatever is longer or holds anything else is no number. Tested before
# the cache, so that what is kept is small.
_PLAUSIBLE = re.compile(r"\+?[0-9(][0-9 ()./-]{1,38}", re.ASCII)
_CACHE_MAX = 8_192


def e164(raw: str | None, region: str) -> str | None:
    """The number in E.164 (`+886910000001`), read as dialed in `region` (`TW`) unless it names its country.

    None for whatever is no number that could ring: withheld, malformed, too long, a local short code.
    """
    if raw is None or len(raw) > 40:
        return None
    plausible = _PLAUSIBLE.fullmatch(raw.strip(" "))
    return _parsed(plausible.group(), region) if plausible else None


def is_region(text: str) -> bool:
    """True if the text is a region that numbers can be read in: two capitals such as `TW`."""
    return text in phonenumbers.SUPPORTED_REGIONS


@lru_cache(maxsize=_CACHE_MAX)
def _parsed(text: str, region: str) -> str | None:
    # Trunks write an international number with 00 even where one dials another prefix.
    for spelling in (text, f"+{text[2:]}") if text.startswith("00") else (text,):
        try:
            number = phonenumbers.parse(spelling, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE:
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return None
