"""Laws of skill expressions: text and value agree, and so do `met`, `both`, `not` and `why_not`, for every agent."""

import time

from hypothesis import example, given
from hypothesis import strategies as st

from routing.model import AgentProfile
from routing.requirement import (
    ANYONE,
    DEPTH_MAX,
    LEVEL_MAX,
    NAME_MAX,
    RESERVED,
    TERMS_MAX,
    TEXT_MAX,
    All,
    At,
    Either,
    Experience,
    Held,
    InTeam,
    Named,
    Not,
    Requirement,
    RequirementError,
    atoms,
    both,
    met,
    parse,
    proficiency,
    show,
    why_not,
)

NAMES = st.sampled_from(["en", "zh-TW", "product", "x_1", "7"])
GROUPS = st.sampled_from(["gold", "north-1"])
LEVELS = st.integers(0, LEVEL_MAX)
EDGES = st.sampled_from([0, 1, 50, 99, LEVEL_MAX]) | LEVELS


@st.composite
def ranges(draw: st.DrawFn) -> Held:
    least, most = sorted((draw(EDGES), draw(EDGES)))
    return Held(draw(NAMES), least, most)


ATOMS = (
    ranges()
    | st.builds(Experience, EDGES)
    | st.builds(InTeam, GROUPS)
    | st.builds(At, GROUPS)
    | st.builds(Named, st.sampled_from(["ann", "bob"]))
    | st.just(ANYONE)
)


def _compounds(parts: st.SearchStrategy[Requirement]) -> st.SearchStrategy[Requirement]:
    several = st.lists(parts, max_size=4).map(tuple)
    two_or_more = st.lists(parts, min_size=2, max_size=4).map(tuple)
    return st.builds(All, several) | st.builds(Either, two_or_more) | st.builds(Not, parts)


REQUIREMENTS: st.SearchStrategy[Requirement] = st.recursive(ATOMS, _compounds, max_leaves=15)

AGENTS = st.builds(
    AgentProfile,
    agent_id=st.sampled_from(["ann", "bob", "cat"]),
    skills=st.dictionaries(NAMES, EDGES),
    experience=EDGES,
    team=st.none() | GROUPS,
    location=st.none() | GROUPS,
)


def canonical(requirement: Requirement) -> Requirement:
    """The same as `parse` would make it: every All joined by `both`."""
    match requirement:
        case All(parts):
            return both(*map(canonical, parts))
        case Either(parts):
            return Either(tuple(map(canonical, parts)))
        case Not(part):
            return Not(canonical(part))
        case _:
            return requirement


def told(text: str) -> Requirement | str:
    """What the text is read as, or the message with which it is refused."""
    try:
        return parse(text)
    except RequirementError as refused:
        return str(refused)


@given(REQUIREMENTS, AGENTS)
def test_the_text_of_a_requirement_reads_back_as_the_same_requirement(
    requirement: Requirement, agent: AgentProfile
) -> None:
    read = parse(show(requirement))
    assert read == canonical(requirement)
    assert met(read, agent) == met(requirement, agent)
    assert parse(show(read)) == read


@given(st.lists(REQUIREMENTS, max_size=4), AGENTS)
def test_both_is_met_by_exactly_those_who_meet_all(parts: list[Requirement], agent: AgentProfile) -> None:
    assert met(both(*parts), agent) == all(met(part, agent) for part in parts)


@given(REQUIREMENTS, REQUIREMENTS, REQUIREMENTS)
def test_both_does_not_care_for_order_brackets_or_repetition(a: Requirement, b: Requirement, c: Requirement) -> None:
    assert both(a, b) == both(b, a)
    assert both(both(a, b), c) == both(a, both(b, c)) == both(a, b, c)
    assert both(a, a) == both(a) == both(both(a))
    assert both(a, ANYONE) == both(a)


@given(REQUIREMENTS, AGENTS)
def test_not_is_met_by_exactly_those_who_do_not_meet_the_part(requirement: Requirement, agent: AgentProfile) -> None:
    assert met(Not(requirement), agent) != met(requirement, agent)
    assert met(Not(Not(requirement)), agent) == met(requirement, agent)


@given(REQUIREMENTS, AGENTS)
def test_there_is_a_reason_why_not_exactly_if_the_requirement_is_not_met(
    requirement: Requirement, agent: AgentProfile
) -> None:
    reason = why_not(requirement, agent)
    assert (reason is None) == met(requirement, agent)
    if reason is not None:
        assert not met(parse(reason), agent)


@given(REQUIREMENTS, AGENTS)
def test_nobody_is_more_proficient_than_all_levels_of_all_skills_they_are_asked_for(
    requirement: Requirement, agent: AgentProfile
) -> None:
    skills = {atom.skill for atom in atoms(requirement) if isinstance(atom, Held)}
    assert 0 <= proficiency(requirement, agent.skills) <= sum(agent.skills.get(skill, 0) for skill in skills)


WORDS = st.sampled_from([
    *sorted(RESERVED), "en", "zh-TW", "team:gold", "team:", "agent:a:b", "x:y", "(", ")", ">=", "<", "=", "==", "!=",
    "0", "100", "101", "٣", "9" * 5_000, "\u2003", "\x00", "\ud800", "🙂",
])  # fmt: skip


@given(st.text(max_size=60) | st.lists(WORDS, max_size=40).map(" ".join))
@example("(" * TEXT_MAX)
@example("not " * (TEXT_MAX // 4))
@example(" and ".join(["a"] * (TEXT_MAX // 6)))
@example("a" * TEXT_MAX)
@example("(a or " * (TEXT_MAX // 6))
@example(" " * 10_000_000)
@example("(" * DEPTH_MAX + "a >= 20 and b and a <= 40" + ")" * DEPTH_MAX)
@example("(a or " * DEPTH_MAX + "a >= 20 and b and a <= 40" + ")" * DEPTH_MAX)
@example("not " * (DEPTH_MAX - 1) + "(a >= 20 and a <= 40)")
@example(" or ".join([f"{'n' * NAME_MAX} >= 100"] * TERMS_MAX))
def test_any_text_is_read_or_refused_with_a_message_and_soon(text: str) -> None:
    before = time.process_time()
    heard = told(text)
    assert time.process_time() - before < 0.5
    if isinstance(heard, str):
        assert heard
        assert len(heard) < 300
    else:
        assert parse(show(heard)) == heard
