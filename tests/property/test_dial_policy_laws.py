"""Laws of the dial policy: nothing is dialed that was not allowed, and a refusal never allows anything."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from callcenter.contact.dial_policy import DialPolicy, why_not

DIGITS = st.text("12", max_size=4)
BEGINNINGS = st.lists(DIGITS.map(lambda digits: f"+{digits}"), max_size=4).map(tuple)
NUMBERS = st.text("12", min_size=4, max_size=6).map(lambda digits: f"+{digits}")
POLICIES = st.builds(DialPolicy, BEGINNINGS, BEGINNINGS)


@given(POLICIES, NUMBERS)
def test_only_what_begins_as_allowed_is_dialed(policy: DialPolicy, number: str) -> None:
    if why_not(policy, number) is None:
        assert any(number.startswith(each) for each in policy.allow)


@given(POLICIES, NUMBERS, BEGINNINGS)
def test_one_more_refusal_never_allows_and_one_more_allowance_never_refuses(
    policy: DialPolicy, number: str, more: tuple[str, ...]
) -> None:
    stricter = replace(policy, refuse=(*policy.refuse, *more))
    looser = replace(policy, allow=(*policy.allow, *more))
    if why_not(policy, number) is None:
        assert why_not(looser, number) is None
    else:
        assert why_not(stricter, number) is not None


@given(POLICIES, NUMBERS)
def test_a_number_refused_as_a_whole_is_never_dialed_and_a_site_without_a_policy_dials_nobody(
    policy: DialPolicy, number: str
) -> None:
    assert why_not(replace(policy, refuse=(number,)), number) == "not_allowed"
    assert why_not(None, number) == "no_dial_out"
