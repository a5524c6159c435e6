"""A survey by phone: a key that is no answer is asked again, and who hangs up leaves what they answered (T28)."""

from pathlib import Path

import pytest

from callcenter.contact.model import Phase
from tests.integration.test_self_service import BYE, site_with
from tests.kit.hotline import MENU, NOBODY, data, one, open_hotline, types
from tests.kit.parts import RealAsterisk
from tests.kit.phone import Phone
from tests.kit.waiting import until

pytestmark = pytest.mark.integration

SURVEY = {
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
    assert data(one(story, "ivr.reprompted")) == {"node": "survey", "why": "wrong_key", "tries": 1}
    told = [(data(e)["question"], data(e)["answer"]) for e in story if e.type == "survey.answered"]
    assert told == [("friendly", 5), ("solved", 1)]
    ended = data(one(story, "survey.ended"))
    assert (ended["outcome"], ended["answered"]) == ("partial", 2)
    assert types(story)[-4:] == ["survey.ended", "ivr.left", "caller.left", "contact.ended"]
