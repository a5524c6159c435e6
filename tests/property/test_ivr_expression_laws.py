"""Laws of expressions: total, typed, and the same as Python's own reading of them."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.expression import ExpressionError, Type, Value, parts
from ivr.expression_text import parse_expression
from ivr.types import Declared, check_expression

DECLARED = {
    "t": Declared(Type.TEXT),
    "d": Declared(Type.DIGITS),
    "n": Declared(Type.NUMBER),
    "b": Declared(Type.BOOLEAN),
    "day": Declared(Type.DATE),
}


@dataclass(frozen=True)
class Written:
    """The same expression in our language and in Python's."""

    ours: str
    pythons: str


def literal(value: str) -> Written:
    return Written(f"'{value}'", repr(value))


texts = st.one_of(st.text("ab1", max_size=3).map(literal), st.sampled_from([Written("t", "t"), Written("d", "d")]))
numbers = st.recursive(
    st.one_of(st.integers(0, 9).map(lambda n: Written(str(n), str(n))), st.just(Written("n", "n"))),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-"), inner).map(
            lambda p: Written(f"({p[0].ours} {p[1]} {p[2].ours})", f"({p[0].pythons} {p[1]} {p[2].pythons})")
        ),
        texts.map(lambda text: Written(f"length({text.ours})", f"len({text.pythons})")),
    ),
    max_leaves=4,
)
dates = st.one_of(
    st.dates().map(lambda day: Written(day.isoformat(), repr(day.isoformat()))), st.just(Written("day", "day"))
)


def compared(side: st.SearchStrategy[Written], signs: list[str]) -> st.SearchStrategy[Written]:
    return st.tuples(side, st.sampled_from(signs), side).map(
        lambda p: Written(
            f"{p[0].ours} {p[1]} {p[2].ours}", f"({p[0].pythons} {'==' if p[1] == '=' else p[1]} {p[2].pythons})"
        )
    )


ORDERING = ["=", "!=", "<", "<=", ">", ">="]
tests = st.one_of(
    compared(texts, ["=", "!="]),
    compared(numbers, ORDERING),
    compared(dates, ORDERING),
    st.just(Written("b", "b")),
    st.tuples(texts, texts).map(
        lambda p: Written(f"{p[0].ours} starts with {p[1].ours}", f"{p[0].pythons}.startswith({p[1].pythons})")
    ),
    st.tuples(numbers, st.lists(numbers, min_size=1, max_size=3), st.sampled_from(["in", "not in"])).map(
        lambda p: Written(
            f"{p[0].ours} {p[2]} ({', '.join(each.ours for each in p[1])})",
            f"({p[0].pythons} {p[2]} [{', '.join(each.pythons for each in p[1])}])",
        )
    ),
)
conditions = st.recursive(
    tests,
    lambda inner: st.one_of(
        inner.map(lambda one: Written(f"not ({one.ours})", f"(not {one.pythons})")),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(
            lambda p: Written(f"({p[0].ours}) {p[1]} ({p[2].ours})", f"({p[0].pythons} {p[1]} {p[2].pythons})")
        ),
    ),
    max_leaves=5,
)
held = st.fixed_dictionaries(
    {
        "t": st.text("ab1", max_size=3),
        "d": st.text("01", max_size=3),
        "n": st.integers(-9, 9),
        "b": st.booleans(),
        "day": st.dates().map(str),
    }
)


@given(conditions, held)
@settings(deadline=None)
def test_an_expression_means_what_it_means_in_python(written: Written, variables: dict[str, Value]) -> None:
    if len(written.ours) > 500:
        return
    expression = parse_expression(written.ours)
    assert list(check_expression(expression, DECLARED, [Type.BOOLEAN])) == []
    assert expression.of(variables.get) is eval(written.pythons, {"__builtins__": {"len": len}}, dict(variables))


@given(conditions, held, st.sets(st.sampled_from(sorted(DECLARED))))
@settings(deadline=None)
def test_with_unset_variables_there_is_a_value_all_the_same(
    written: Written, variables: dict[str, Value], unset: set[str]
) -> None:
    if len(written.ours) <= 500:
        known = {name: value for name, value in variables.items() if name not in unset}
        assert parse_expression(f"not ({written.ours})").of(known.get) in {True, False}


WORDS = (
    *("and", "or", "not", "in", "is", "set", "starts", "with", "length", "true"),
    *("(", ")", ",", "<", "=", "+", "-", "'a'", "1", "n", "2026-01-01"),
)
jumble = st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join)
NOTHING: dict[str, Value] = {}
MISTAKEN: dict[str, Value] = {"n": "a text where a number should be"}


def place_of_mistake(text: str) -> int | None:
    try:
        parse_expression(text)
    except ExpressionError as error:
        return error.at
    return None


@given(st.one_of(st.text(max_size=60), jumble))
@settings(max_examples=500, deadline=None)
def test_any_text_is_an_expression_or_refused_with_a_place_inside_it(text: str) -> None:
    at = place_of_mistake(text)
    if at is not None:
        assert 1 <= at <= len(text) + 1
        return
    expression = parse_expression(text)
    assert len(list(parts(expression.root))) <= 200
    expression.of(NOTHING.get)
    expression.of(MISTAKEN.get)
    list(check_expression(expression, DECLARED, [Type.BOOLEAN]))
