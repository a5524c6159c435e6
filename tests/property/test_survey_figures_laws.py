"""Laws of a survey's figures: they are numpy's, over the answers written out one by one."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.survey_figures import cronbach_alpha, question_figures


@given(st.lists(st.integers(0, 10), min_size=1, max_size=60))
def test_a_questions_figures_are_those_of_numpy(answers: list[int]) -> None:
    found = question_figures("recommend", "nps", Counter(answers))
    given_ = np.array(answers)
    assert (found.n, found.min, found.max) == (given_.size, given_.min(), given_.max())
    assert found.mean == pytest.approx(float(given_.mean()))
    assert found.median == float(np.median(given_))
    assert found.sd == (pytest.approx(float(given_.std(ddof=1)), abs=1e-12) if len(answers) > 1 else None)
    assert found.nps == pytest.approx(float((given_ >= 9).mean() - (given_ <= 6).mean()))


@given(st.integers(2, 6).flatmap(lambda k: st.lists(st.tuples(*[st.integers(1, 5)] * k), min_size=2, max_size=40)))
def test_alpha_is_that_of_numpys_variances_and_never_above_one(rows: list[tuple[int, ...]]) -> None:
    alpha = cronbach_alpha(Counter(rows))
    table = np.array(rows)
    k, of_totals = table.shape[1], float(table.sum(axis=1).var(ddof=1))
    if len(set(table.sum(axis=1).tolist())) == 1:
        assert alpha is None
        return
    assert alpha is not None
    assert alpha <= 1.0
    assert alpha == pytest.approx(k / (k - 1) * (1 - float(table.var(axis=0, ddof=1).sum()) / of_totals), abs=1e-9)
