"""A survey by phone: a key that is no answer is asked again, and who hangs up leaves what they answered (T28)."""

from pathlib import Path
from typing import Any

import pytest

from callcenter.contact.model import Phase
from callcenter.db.surveys import SurveyQuery
from ivr.survey_figures import Reply, Response
from tests.integration.test_self_service import BYE, ORDER, OWNER, other_system, prepare, site_with, web_order
from tests.kit.hotline import MENU, NOBODY, data, one, open_hotline, settings_for, types
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

SURVEY: dict[str, Any] = {
    "type": "survey",
    "survey": "after",
    "questions": [
        {"id": "friendly", "prompts": ["welcome_vip"], "scale": "likert"},
        {"id": "solved", "prompts": ["welcome_vip"], "scale": "yes_no"},
        {"id": "recommend", "prompts": ["welcome_vip"], "scale": "nps"},
    ],
    "wrong_key_prompts": ["wrong_key"],
    "timeout_s": 10,
    "next": "bye",
}


async def test_six_is_no_answer_from_one_to_five_and_who_hangs_up_leaves_what_they_answered(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    async with open_hotline(var, asterisk, database_url, site_with(survey=SURVEY, bye=BYE)) as hotline:
        call = trunk.call(MENU, caller=NOBODY)
        await call.answered()
        await hotline.until_phase(Phase.IVR)
        await call.press("6")
        await call.press("5")
        await call.press("1")

        def answered() -> bool:
            cursor = hotline.contacts[0].cursor
            return cursor is not None and cursor.answered == 2

        await until(answered, "two questions are answered")
        await call.hang_up()
        await hotline.nothing_left()
        (story,) = await hotline.stories()
        asked_at = one(story, "survey.invited").at
        counted = await hotline.center.queries.surveys.responses(SurveyQuery(asked_at, asked_at + 1.0, "after"))
    replies = (Reply("friendly", "likert", 5), Reply("solved", "yes_no", 1))
    assert counted == {"after": {Response("partial", replies): 1}}, "the report has what they answered"
    assert data(one(story, "ivr.reprompted")) == {"node": "survey", "why": "wrong_key", "tries": 1}
    told = [(data(e)["question"], data(e)["answer"]) for e in story if e.type == "survey.answered"]
    assert told == [("friendly", 5), ("solved", 1)]
    ended = data(one(story, "survey.ended"))
    assert (ended["outcome"], ended["answered"]) == ("partial", 2)
    assert types(story)[-4:] == ["survey.ended", "ivr.left", "caller.left", "contact.ended"]


async def test_one_call_goes_through_menu_digits_a_request_without_answer_a_lookup_and_a_survey(
    var: Path, asterisk: RealAsterisk, database_url: str, trunk: Phone
) -> None:
    """The whole of a self-service in one visit, as T3 asks for it."""
    async with other_system(30.0) as (place, asked):
        site = site_with(
            menu={"type": "menu", "prompts": ["main_menu"], "choices": {"1": "which"}, "on_exhausted": "person"},
            which={
                "type": "collect",
                "prompts": ["welcome_vip"],
                "into": "number",
                "digits_min": 2,
                "digits_max": 2,
                "next": "web",
                "on_exhausted": "person",
            },
            web={**web_order(place, 2.0), "next": "survey", "on_error": "order"},
            order={**ORDER, "next": "survey"},
            survey={**SURVEY, "questions": SURVEY["questions"][:1]},
            bye=BYE,
        )
        settings = settings_for(var, http_allowed=place)
        async with open_hotline(var, asterisk, database_url, site, settings) as hotline:
            await hotline.log_out_all()
            await prepare(database_url)
            call = trunk.call(MENU, caller=OWNER)
            await call.hears_sound(within_s=15.0)
            await call.press("142")

            def is_asked() -> bool:
                cursor = hotline.contacts[0].cursor if hotline.contacts else None
                return cursor is not None and cursor.node == "survey"

            await until(is_asked, "the survey begins", within_s=30.0)
            await call.press("5")
            await call.ended(within_s=30.0)
            await hotline.nothing_left()
            (story,) = await hotline.stories()
    assert asked == ["GET /orders?who=c0003"]
    entered = [data(event)["node"] for event in story if event.type == "ivr.node_entered"]
    assert entered == ["menu", "which", "web", "order", "survey", "bye"]
    answers = [(data(event)["what"], data(event)["outcome"]) for event in story if event.type == "ivr.answered"]
    assert answers == [("http", "error"), ("lookup", "found")]
    assert data(one(story, "survey.answered"))["answer"] == 5
    assert data(story[-1])["end_state"] == "self_service"
