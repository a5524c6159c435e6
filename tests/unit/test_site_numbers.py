"""Caller numbers as networks send them."""

import time

import pytest

from callcenter.config import numbers
from callcenter.config.numbers import e164


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("0910000001", "+886910000001"),
        ("0910-000-001", "+886910000001"),
        ("886910000001", "+886910000001"),
        ("+886910000001", "+886910000001"),
        ("00886910000001", "+886910000001"),
        ("002886910000001", "+886910000001"),
        ("(02) 2712-3456", "+886227123456"),
        ("0800000100", "+886800000100"),
        ("+1 415 555 2671", "+14155552671"),
        ("+390612345678", "+390612345678"),
    ],
)
def test_a_number_becomes_e164(raw: str, expected: str) -> None:
    assert e164(raw, "TW") == expected


@pytest.mark.parametrize(
    "raw",
    [
        *(None, "", " ", "anonymous", "Anonymous", "unavailable", "restricted", "-", "+", "++1", "110", "1234"),
        *("0910\r\n000001", "0910000001\n", "0910000001\x00", "\t0910000001", "<b>0910000001</b>", "sip:0910000001@x"),
        *(
            "0910000001;ext=5",
            "0910000001' OR 1=1",
            "٠٩١٠٠٠٠٠٠١",
            "9" * 39,
            "9" * 65_536,
            " " * 65_536 + "0910000001",
            "(" * 40,
            "x" * 65_536,
        ),
    ],
)
def test_what_is_no_number_that_could_ring_is_nothing(raw: str | None) -> None:
    assert e164(raw, "TW") is None


def test_hostile_text_never_enters_the_cache() -> None:
    numbers._parsed.cache_clear()
    for n in range(100):
        e164(f"{'0' * 65_536}{n}", "TW")
        e164(f"09{n}\n", "TW")
    assert numbers._parsed.cache_info().currsize == 0


def test_a_number_of_sixty_four_kilobytes_costs_no_more_than_a_look() -> None:
    huge = "+" + "1 (" * 22_000
    before = time.process_time()
    for _ in range(10_000):
        e164(huge, "TW")
    assert time.process_time() - before < 2.0  # parsing it once takes longer than all of these together
