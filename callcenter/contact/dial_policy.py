"""The one policy of calls that we make: which numbers may be dialed, what number is shown, how long it rings."""

import re
from dataclasses import dataclass

_E164 = re.compile(r"\+[1-9][0-9]{2,14}")
_EXTENSION = re.compile(r"[0-9]{2,8}")


@dataclass(frozen=True, slots=True)
class DialPolicy:
    """Numbers are E.164; `allow` and `refuse` are their beginnings, and of two that fit the longer one decides.

    `caller_id` is the number that the customer's phone shows; empty: the hotline that the customer called. `ring_s`:
    after that time an attempt has failed. `extensions` are the beginnings of the numbers without + (of the house's own
    telephone system) that callers may be transferred to.
    """

    allow: tuple[str, ...]
    refuse: tuple[str, ...] = ()
    caller_id: str = ""
    ring_s: float = 30.0
    extensions: tuple[str, ...] = ()


def why_not(policy: DialPolicy | None, number: str | None) -> str | None:
    """Why this number may not be dialed: no_number, no_dial_out or not_allowed; None if it may.

    Without a policy nothing is dialed; nor is a number that is not known.
    """
    if number is None:
        return "no_number"
    if policy is None:
        return "no_dial_out"
    allowed = max((len(each) for each in policy.allow if number.startswith(each)), default=0)
    refused = max((len(each) for each in policy.refuse if number.startswith(each)), default=0)
    return None if allowed > refused else "not_allowed"


def why_no_transfer(policy: DialPolicy | None, number: str) -> str | None:
    """Why no caller may be connected with this number or extension: as `why_not`; None if they may."""
    if _E164.fullmatch(number):
        return why_not(policy, number)
    if not _EXTENSION.fullmatch(number):
        return "no_number"
    if policy is None:
        return "no_dial_out"
    return None if number.startswith(policy.extensions) else "not_allowed"
