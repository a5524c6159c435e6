"""docs/reliability.md says what the results say, and every promise names a test that exists."""

import pytest

from bench.promises import BEGIN, DOC, END, PROMISES, ROOT, Promise, results, written


def test_the_table_of_promises_is_what_the_results_say() -> None:
    text = DOC.read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    assert written(text, results()) == text, "python -m bench.promises writes it anew"


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.text[:40])
def test_every_promise_names_tests_that_exist(promise: Promise) -> None:
    for test in promise.tests:
        path, _, name = test.partition("::")
        assert (ROOT / path).is_file(), test
        assert not name or f"def {name}(" in (ROOT / path).read_text(), test
