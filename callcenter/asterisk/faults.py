"""What can go wrong between us and Asterisk, and how long to wait before the next attempt to connect."""

import random

from callcenter.errors import TelephonyError


class Refused(TelephonyError):
    """Asterisk understood and said no: `status` is HTTP's (0 from AMI), `reason` Asterisk's own words."""

    def __init__(self, verb: str, resource_id: str, status: int, reason: str) -> None:
        super().__init__(f"{verb} {resource_id} refused: {reason} ({status})")
        self.verb = verb
        self.resource_id = resource_id
        self.status = status
        self.reason = reason


class Unreachable(TelephonyError):
    """Nothing can be rung there: no such endpoint, or no phone is registered for it."""

    def __init__(self, endpoint: str) -> None:
        super().__init__(f"{endpoint} is unreachable")
        self.endpoint = endpoint


class TelephonyTimeout(TelephonyError):
    """No answer in time. The command may or may not have been carried out."""

    def __init__(self, verb: str, waited_s: float) -> None:
        super().__init__(f"{verb}: no answer within {waited_s:g} s")
        self.verb = verb
        self.waited_s = waited_s


class LinkDown(TelephonyError):
    """There is no connection to Asterisk now; one is being made."""


class LoginRefused(TelephonyError):
    """Asterisk does not accept our user name and password; `cause` is what it said."""

    def __init__(self, where: str, cause: str) -> None:
        super().__init__(f"{where} refuses our login: {cause}; check user, password and permit/deny there")
        self.where = where
        self.cause = cause


class AppReplaced(TelephonyError):
    """Another process connected with our application's name and owns the calls now: we must stop acting."""


class InjectionRefused(TelephonyError):
    """A value carries CR, LF or NUL and would start an AMI action of its own; nothing was sent."""

    def __init__(self, field: str) -> None:
        super().__init__(f"{field}: control characters are not allowed")
        self.field = field


def backoff_s(attempt: int, rng: random.Random, cap_s: float = 2.0) -> float:
    """Full jitter: uniform in [0, min(cap_s, 0.1 * 2**attempt)] seconds; `attempt` counts from 0."""
    return rng.uniform(0.0, min(cap_s, 0.1 * 2.0 ** min(attempt, 10)))
