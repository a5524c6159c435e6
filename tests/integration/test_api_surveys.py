"""GET /v1/reports/surveys and `callcenter report surveys`: what callers answered, and the contacts behind it (T28)."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import pytest_asyncio

from callcenter.contact import events as ev
from callcenter.contact import ivr_events
from callcenter.contact.event_body import Body
from tests.api_center import Center, center
from tests.database import contact_id
from tests.integration.test_api_cli import run

__all__ = ["center"]
pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="session")]

MORNING = 1_764_982_800.0
SPAN = {"from": "2025-12-06T01:00:00Z", "to": "2025-12-06T09:00:00Z"}
PATH = "/v1/reports/surveys"
CONTACTS = "/v1/reports/surveys/contacts"
QUESTIONS = (("tone", "likert"), ("skill", "likert"), ("speed", "likert"), ("solved", "yes_no"), ("recommend", "nps"))

# The fixture of alpha, with whether it was solved and how likely they recommend us.
COMPLETE = ((1, 2, 1, 0, 0), (2, 2, 3, 0, 6), (3, 3, 3, 1, 8), (4, 4, 5, 1, 9), (5, 5, 4, 1, 10), (3, 4, 3, 1, 10))
PARTIAL = (5, 4)


def survey(answers: Sequence[int], outcome: str | None, name: str = "after_call") -> list[Body]:
    """A survey as a contact's events tell it; `outcome` None: its end was never told."""
    told: list[Body] = [ivr_events.SurveyInvited("survey", name, len(QUESTIONS))]
    told += [
        ivr_events.SurveyAnswered("survey", name, question, scale, answer)
        for (question, scale), answer in zip(QUESTIONS, answers, strict=False)
    ]
    return told if outcome is None else [*told, ivr_events.SurveyEnded("survey", name, outcome, len(answers))]


def remember(center: Center, n: int, at: float, *told: Body) -> str:
    ours = contact_id(n, at)
    started = ev.ContactStarted("inbound", "voice", "ch", "", "", "0800000100", None, "vip", "en")
    for seconds, body in enumerate((started, ivr_events.IvrEntered("after_call", "1"), *told)):
        center.remember(f"contact/{ours}", at + seconds, body)
    return ours


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asked(center: Center) -> dict[str, list[str]]:
    """A morning of surveys; who was asked, by what became of it."""
    stories = [("complete", survey(answers, "complete")) for answers in COMPLETE]
    stories += [
        ("partial", survey(PARTIAL, "partial")),
        ("partial", survey(PARTIAL[:1], None)),  # lost with its contact
        ("unusable", survey((), "unusable")),
        ("declined", survey((), "declined")),
        ("declined", survey((), "declined")),
        ("pending", survey((), None)),
    ]
    who: dict[str, list[str]] = {}
    for n, (outcome, told) in enumerate(stories):
        who.setdefault(outcome, []).append(remember(center, n, MORNING + n * 1800.0, *told))
    # One contact may take part twice, and in another survey too.
    twice = remember(
        center, 50, MORNING + 60.0, *survey((), "declined"), *survey((), "declined"), *survey((5,), "complete", "tea")
    )
    who["declined"] += [twice, twice]
    for n, before_or_after in enumerate((MORNING - 60.0, MORNING + 28_800.0)):
        remember(center, 90 + n, before_or_after, *survey((1, 1, 1, 0, 0), "complete"))
    await center.settled()
    return who


async def report(center: Center, **more: str) -> Any:
    status, body = await center.json("GET", PATH, params=SPAN | more)
    assert status == 200, body
    return body


async def test_a_survey_says_who_took_part_and_what_a_partial_response_answers_is_kept(
    center: Center, asked: dict[str, list[str]]
) -> None:
    body = await report(center)
    after_call, tea = body["items"]
    assert (after_call["survey"], tea["survey"]) == ("after_call", "tea")
    counts = {outcome: len(contacts) for outcome, contacts in asked.items()}
    assert counts == {"complete": 6, "partial": 2, "unusable": 1, "declined": 4, "pending": 1}
    assert {outcome: after_call[outcome] for outcome in counts} == counts
    assert after_call["invited"] == 14
    assert after_call["response_rate"] == {"value": 8 / 14, "numerator": 8, "denominator": 14}
    questions = {one["question"]: one for one in after_call["questions"]}
    assert list(questions) == [question for question, _ in QUESTIONS]
    assert [questions[name]["n"] for name in questions] == [8, 7, 6, 6, 6]
    tone = questions["tone"]  # 1 2 3 4 5 3, and 5 5 of the partial ones
    assert (tone["min"], tone["max"], tone["mean"], tone["median"]) == (1, 5, 3.5, 3.5)
    assert tone["sd"] == pytest.approx(1.511858, abs=1e-6)
    assert questions["solved"]["yes"] == pytest.approx(4 / 6)
    assert questions["recommend"]["nps"] == pytest.approx(3 / 6 - 2 / 6)
    assert after_call["alpha"]["value"] == pytest.approx(0.93525, abs=5e-6)
    assert (after_call["alpha"]["questions"], after_call["alpha"]["responses"]) == (["tone", "skill", "speed"], 6)
    assert tea["alpha"] == {"value": None, "questions": ["tone"], "responses": 1}
    assert "(complete + partial) ÷ invited" in {formula["formula"] for formula in body["formulas"]}


async def test_behind_every_number_stand_its_contacts(center: Center, asked: dict[str, list[str]]) -> None:
    async def behind(**words: str) -> list[Any]:
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            given = SPAN | {"survey": "after_call", "limit": "3"} | words | cursor
            status, page = await center.json("GET", CONTACTS, params=given)
            assert status == 200, page
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = {"cursor": page["next_cursor"]}

    for outcome, contacts in asked.items():
        found = await behind(of=outcome)
        assert sorted(one["contact_id"] for one in found) == sorted(contacts)
        assert {one["outcome"] for one in found} == {outcome}
    assert len(await behind()) == 14
    assert len(await behind(of="usable")) == 8
    (after_call,) = (await report(center, survey="after_call"))["items"]
    for one in after_call["questions"]:
        words = {"question": one["question"], "scale": one["scale"]}
        answers = [
            reply["answer"]
            for response in await behind(**words)
            for reply in response["replies"]
            if reply["question"] == one["question"]
        ]
        assert (len(answers), min(answers), max(answers)) == (one["n"], one["min"], one["max"])
    tens = await behind(question="recommend", answer="10")
    assert sorted(one["contact_id"] for one in tens) == sorted(asked["complete"][-2:])


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (PATH, {"to": "2020-01-01T00:00:00Z"}),
        (PATH, {"from": "2025-01-01T00:00:00Z"}),
        (PATH, {"colour": "red"}),
        (CONTACTS, {}),
        (CONTACTS, {"survey": "after_call", "of": "everything"}),
        (CONTACTS, {"survey": "after_call", "answer": "11"}),
        (CONTACTS, {"survey": "after_call", "cursor": "1 OR 1=1"}),
    ],
)
async def test_what_makes_no_sense_is_refused(center: Center, path: str, more: dict[str, str]) -> None:
    assert (await center.json("GET", path, params=SPAN | more))[0] == 422


async def test_a_time_without_surveys_has_none(center: Center, asked: dict[str, list[str]]) -> None:
    assert (await report(center, survey="'; DROP TABLE contact; --"))["items"] == []
    assert (await report(center, **{"from": "2024-01-01T00:00:00Z", "to": "2024-01-02T00:00:00Z"}))["items"] == []


async def test_the_command_gives_the_same_report_as_the_api(center: Center, asked: dict[str, list[str]]) -> None:
    database = {"CALLCENTER_DATABASE_URL": center.database_url}
    span = ("--from", "2025-12-06T09:00", "--to", "2025-12-06T17:00")  # by the site's clock
    code, out, err = await run("report", "surveys", *span, "--json", **database)
    assert code == 0, err
    assert json.loads(out) == await report(center)
    code, out, err = await run("report", "surveys", *span, "--survey", "after_call", **database)
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()]
    assert ["after_call", "14", "6", "2", "1", "4", "1", "57.1%", "0.94"] in lines
    assert ["after_call", "tone", "likert", "8", "1", "5", "3.50", "3.50", "1.51"] in lines
    assert (await run("report", "surveys", *span, "--by", "agent", **database))[0] == 2
    assert (await run("report", *span, "--survey", "after_call", **database))[0] == 2
    assert (await run("report", "surveys", "--from", "2025-12-06", "--to", "2025-12-05", **database))[0] == 2
