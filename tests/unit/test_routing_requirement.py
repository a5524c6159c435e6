"""Skill expressions by example: what they read, whom they let serve, and what they say when they can't."""

import pytest

from routing.model import AgentProfile
from routing.requirement import (
    ANYONE,
    DEPTH_MAX,
    LEVEL_MAX,
    NAME_MAX,
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
    asked,
    atoms,
    both,
    met,
    needing,
    parse,
    proficiency,
    show,
    why_not,
)

ANN = AgentProfile("ann", {"en": 90, "product": 3}, experience=4, team="gold", location="Taipei")
BOB = AgentProfile("bob", {"zh-TW": 100, "product": 1, "trainee": 0})


@pytest.mark.parametrize(
    ("text", "requirement"),
    [
        ("en", Held("en")),
        ("product >= 3", Held("product", 3)),
        ("product > 3", Held("product", 4)),
        ("product <= 3", Held("product", 0, 3)),
        ("product < 3", Held("product", 0, 2)),
        ("product = 3", Held("product", 3, 3)),
        ("product == 3", Held("product", 3, 3)),
        ("product >= 0", Held("product")),
        ("20 <= 40", Held("20", 0, 40)),
        ("product >= 20 and product <= 40", Held("product", 20, 40)),
        ("product >= 20 and product >= 40", Held("product", 40)),
        ("experience >= 4", Experience(4)),
        ("experience > 4", Experience(5)),
        ("team:gold", InTeam("gold")),
        ("location:Taipei", At("Taipei")),
        ("agent:agent01 or agent:agent02", Either((Named("agent01"), Named("agent02")))),
        ("anyone", ANYONE),
        ("not trainee", Not(Held("trainee"))),
        ("not not trainee", Not(Not(Held("trainee")))),
        ("a or b and not c", Either((Held("a"), All((Held("b"), Not(Held("c"))))))),
        ("(a or b) and not c", All((Either((Held("a"), Held("b"))), Not(Held("c"))))),
        ("not (a and b)", Not(All((Held("a"), Held("b"))))),
        ("  en\n\tand  zh-TW ", All((Held("en"), Held("zh-TW")))),
        ("b and a and b", All((Held("a"), Held("b")))),
        ("a and anyone", Held("a")),
    ],
)
def test_a_text_is_read_as_the_requirement_it_describes(text: str, requirement: Requirement) -> None:
    read = parse(text)
    assert both(read) == both(requirement)
    assert parse(show(read)) == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it ends where a skill, 'team:…', 'location:…', 'agent:…' or 'experience >= n' should be"),
        ("en and", "it ends where a skill"),
        ("en zh", "'and', 'or' or the end should be at character 4, not 'zh'"),
        (
            "and en",
            "a skill, 'team:…', 'location:…', 'agent:…' or 'experience >= n' should be at character 1, not 'and'",
        ),
        ("(en", "it ends where ')' should be"),
        ("en)", "'and', 'or' or the end should be at character 3, not ')'"),
        ("en >= ", "it ends where a level from 0 to 100 should be"),
        ("en >= 101", "a level from 0 to 100 should be at character 7, not '101'"),
        ("en >= many", "a level from 0 to 100 should be at character 7, not 'many'"),
        (f"en >= {'9' * 5_000}", "a level from 0 to 100 should be at character 7, not '999"),
        ("en > 100", "no level can be > 100; levels are 0 to 100"),
        ("en < 0", "no level can be < 0; levels are 0 to 100"),
        ("experience", "it ends where '>=' should be"),
        ("experience and en", "'>=' should be at character 12, not 'and'"),
        ("experience <= 3", "experience can only be asked for with >= or >"),
        ("experience > 100", "no level can be > 100; levels are 0 to 100"),
        ("anyone >= 3", "'and', 'or' or the end should be at character 8, not '>='"),
        ("team:", "what is 'team:'? write team:…, location:… or agent:…"),
        ("team:a:b", "what is 'team:a:b'? write team:…, location:… or agent:…"),
        ("squad:gold", "what is 'squad:gold'? write team:…, location:… or agent:…"),
        ("en & zh", "what is '&' at character 4? write skills, numbers, and or not"),
        ("英語", "what is '英' at character 1? write skills, numbers, and or not"),
        ("a" * (NAME_MAX + 1), "is longer than 64 characters"),
        ("a or " * TERMS_MAX + "a", "more than 50 terms; split it into steps"),
        ("(" * (DEPTH_MAX + 1) + "a" + ")" * (DEPTH_MAX + 1), "nested deeper than 20"),
        ("not " * (DEPTH_MAX + 1) + "a", "nested deeper than 20"),
        (" " * (TEXT_MAX + 1), "longer than 10000 characters"),
    ],
)
def test_a_text_that_is_no_requirement_is_refused_with_what_was_expected_and_where(text: str, message: str) -> None:
    with pytest.raises(RequirementError) as refused:
        parse(text)
    assert message in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("text", "ann", "bob"),
    [
        ("anyone", True, True),
        ("product >= 3 and (en or zh-TW) and not trainee", True, False),
        ("product", True, True),
        ("product <= 2", False, True),
        ("trainee", False, True),
        ("trainee = 0", False, True),
        ("not product <= 2", True, False),
        ("experience >= 4", True, False),
        ("experience >= 0", True, True),
        ("team:gold", True, False),
        ("not team:gold", False, True),
        ("location:Taipei", True, False),
        ("agent:bob or team:silver", False, True),
    ],
)
def test_an_agent_may_serve_if_the_requirement_is_met(text: str, ann: bool, bob: bool) -> None:
    assert (met(parse(text), ANN), met(parse(text), BOB)) == (ann, bob)


def test_an_absent_skill_meets_no_comparison_at_all() -> None:
    for text in ("zh-TW", "zh-TW >= 0", "zh-TW <= 100", "zh-TW = 0"):
        assert not met(parse(text), ANN)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("en", "en"),
        ("product and en >= 50", "en >= 50"),
        ("en or team:gold", "en or team:gold"),
        ("not product", "not product"),
        ("product and (en or (fr and de))", "en or (de and fr)"),
    ],
)
def test_why_not_names_the_first_part_that_the_agent_does_not_meet(text: str, reason: str) -> None:
    assert why_not(parse(text), BOB) == reason


def test_the_levels_asked_of_one_skill_become_one_range_or_two_parts_that_nobody_meets() -> None:
    assert both(Held("p", 2), Held("p", 0, 5), Held("p", 1, 4)) == Held("p", 2, 4)
    impossible = both(Held("p", 0, 2), Held("p", 5))
    assert show(impossible) == "p <= 2 and p >= 5"
    assert both(impossible, Held("p", 6)) == both(Held("p", 6), Held("p", 0, 2))


def test_needing_skill_levels_is_all_of_them() -> None:
    assert needing({}) == ANYONE
    assert needing({"en": 1}) == Held("en", 1)
    assert show(needing({"product": 3, "en": 1})) == "en >= 1 and product >= 3"


def test_proficiency_counts_the_skills_that_are_asked_for_and_not_those_that_are_refused() -> None:
    requirement = parse("(product or en) and not trainee and zh-TW and team:gold")
    assert set(asked(requirement)) == {"product", "en", "zh-TW"}
    assert proficiency(requirement, {**BOB.skills, "trainee": 50}) == 101
    assert len(list(atoms(requirement))) == 5


@pytest.mark.parametrize(("least", "most"), [(-1, 5), (5, 4), (0, LEVEL_MAX + 1)])
def test_a_range_that_no_level_is_in_cannot_be_made(least: int, most: int) -> None:
    with pytest.raises(AssertionError):
        Held("en", least, most)


def test_one_of_fewer_than_two_cannot_be_made() -> None:
    for parts in ((), (Held("en"),)):
        with pytest.raises(AssertionError):
            Either(parts)
