"""The one policy of calls that we make: which numbers may be dialed, what number is shown, how long it rings."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DialPolicy:
    """Numbers are E.164; `allow` and `refuse` are their beginnings, and of two that fit the longer one decides.

    `caller_id` is the number that the customer's phone shows; empty: the hotline that the customer called. `ring_s`:
    after that time an attempt has failed.
    """

    allow: tuple[str, ...]
    refuse: tuple[str, ...] = ()
    caller_id: str = ""
    ring_s: float = 30.0


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
