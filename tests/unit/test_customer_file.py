"""A CSV of customers: what is read, and every mistake with its line."""

import io

import pytest

from callcenter.customer_file import MISTAKES_MAX, read_customers
from callcenter.db.customer_records import CustomerRecord
from tests.kit.hotline import brisk_site

HEAD = "customer_id,name,phones,value_tier,language,segment,preferred_agent,at_risk,usage\n"


def mistakes(text: str) -> tuple[str, ...]:
    found = read_customers(io.StringIO(text), brisk_site())
    assert found.records == ()
    return tuple(str(each) for each in found.mistakes)


def test_a_line_is_a_customer_and_an_empty_cell_is_not_known() -> None:
    found = read_customers(
        io.StringIO(HEAD + "c1, 林 ,0910 000 001;+886220000001;0910000001,vip,en,fleet,agent04,No,12\nc2,陳,,,,,,,\n"),
        brisk_site(),
    )
    assert found.mistakes == ()
    assert found.records == (
        CustomerRecord("c1", "林", "vip", ("+886910000001", "+886220000001"), "en", "fleet", "agent04", False, 12.0),
        CustomerRecord("c2", "陳", "standard", ()),
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("c 1,林,,,,,,,", "customer_id must be 1-32 letters, digits, - and _"),
        ("c1,,,,,,,,", "name is empty"),
        ("c1,林\x07,,,,,,,", "name must be at most 100 printable characters"),
        (f"c1,林,,,,{'x' * 101},,,", "segment must be at most 100 printable characters"),
        ("c1,林,12,,,,,,", "'12' is no phone number"),
        ("c1,林,,gold,,,,,", "value_tier 'gold' is none of the site's"),
        ("c1,林,,,xx,,,,", "language 'xx' is none of the site's"),
        ("c1,林,,,,,agent99,,", "preferred_agent 'agent99' is none of the site's"),
        ("c1,林,,,,,,perhaps,", "at_risk must be true or false, not 'perhaps'"),
        ("c1,林,,,,,,,many", "usage must be a number from 0 to 1e+12"),
        ("c1,林,,,,,,,nan", "usage must be a number from 0 to 1e+12"),
        ("c1,林,,,,,,,-1", "usage must be a number from 0 to 1e+12"),
        ("c1,林,,,,,,,,more", "it has more cells than the first line"),
    ],
)
def test_a_mistake_is_told_with_its_line(line: str, says: str) -> None:
    (told,) = mistakes(HEAD + "c0,林,,,,,,,\n" + line + "\n")
    assert told.startswith(f"line 3: {says}")


def test_a_customer_who_is_there_twice_is_a_mistake() -> None:
    assert mistakes(HEAD + "c1,林,,,,,,,\nc1,林,,,,,,,\n") == ("line 3: customer 'c1' is there twice",)


def test_columns_that_are_missing_or_that_nobody_knows_are_mistakes() -> None:
    first, second = mistakes("customer_id,name,phone\n")
    assert first == "line 1: the column 'phones' is missing"
    assert second.startswith("line 1: nobody knows a column 'phone'; there are customer_id")
    assert len(mistakes("")) == 3


def test_what_is_no_csv_is_a_mistake_and_so_many_are_told() -> None:
    assert "no CSV" in mistakes(HEAD + 'c1,"林\n')[0]
    assert len(mistakes(HEAD + "c1,,,,,,,,\n" * 500)) == MISTAKES_MAX
