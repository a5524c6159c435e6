"""Where a flow can lead a caller, by which keys, in which language: tried on the interpreter itself."""

from dataclasses import replace

from callcenter.config.site import load_site
from ivr.calendar import Calendar
from ivr.model import (
    BranchNode,
    Flow,
    HangUpNode,
    LanguageNode,
    MenuNode,
    QueueNode,
    SayNode,
    Subject,
    VoicemailNode,
)
from ivr.reach import Way, ways
from ivr.turn import Facts, HangUp, ToCallback, ToQueue
from ivr.world_model import AuthenticateNode, Lookup, LookupNode
from tests.kit.parts import DEMO_SITE

SITE = load_site(DEMO_SITE)
NOON = 1_795_060_800.0


def facts(tier: str = "standard", language: str = "zh-TW", calendars: dict[str, Calendar] | None = None) -> Facts:
    return Facts(language, tier, False, calendars if calendars is not None else dict(SITE.calendars))


def told(found: tuple[Way, ...]) -> dict[tuple[str, str], str]:
    """The keys by (where they lead, language)."""
    waits = (ToQueue, ToCallback)
    return {(way.exit.queue if isinstance(way.exit, waits) else way.exit.end_state, way.language): way.keys
            for way in found}  # fmt: skip


def test_the_demo_hotline_leads_to_every_queue_in_both_languages() -> None:
    found = ways(SITE.flows["main"], facts(), NOON)
    assert told(found) == {
        ("product", "zh-TW"): "",  # who keys nothing is taken to a person
        ("orders", "zh-TW"): "2",
        ("activities", "zh-TW"): "3",
        ("product", "en"): "9",
        ("orders", "en"): "92",
        ("activities", "en"): "93",
    }
    assert [len(way.keys) for way in found] == [0, 1, 1, 1, 2, 2]


def test_what_is_known_of_the_caller_takes_the_branches() -> None:
    assert ("vip", "en") in told(ways(SITE.flows["main"], facts("platinum", "en"), NOON))
    assert ("vip", "en") not in told(ways(SITE.flows["main"], facts("basic", "en"), NOON))


def test_outside_its_hours_a_flow_leads_to_its_end() -> None:
    shut = {"always": Calendar(SITE.zone, ((),) * 7, closed_now=True)}
    found = told(ways(SITE.flows["main"], facts(calendars=shut), NOON))
    assert found == {("closed", "zh-TW"): "", ("product", "zh-TW"): "0"}  # 0 leads to a person from anywhere


def flow(agent_node: str | None = None, **nodes: object) -> Flow:
    return Flow("f", "1", "start", nodes, agent_node)  # type: ignore[arg-type]


def test_a_prompt_that_must_be_heard_still_takes_the_key_to_a_person() -> None:
    found = ways(
        flow(
            "agent",
            start=SayNode(("closed",), "end", interruptible=False),
            end=HangUpNode("closed"),
            agent=QueueNode("product"),
        ),
        facts(),
        NOON,
    )
    assert found == (Way("", "zh-TW", HangUp("closed")), Way("0", "zh-TW", ToQueue("product", None)))


def test_a_menu_that_leads_back_to_itself_is_tried_once_a_language() -> None:
    found = ways(
        flow(
            start=MenuNode(("menu",), {"1": "start", "2": "english", "3": "queue"}, "end"),
            english=LanguageNode("en", "start"),
            queue=QueueNode("product"),
            end=HangUpNode("no_input"),
        ),
        facts(),
        NOON,
    )
    assert told(found) == {
        ("no_input", "zh-TW"): "", ("product", "zh-TW"): "3", ("no_input", "en"): "2", ("product", "en"): "23",
    }  # fmt: skip


def test_a_branch_on_the_hour_is_taken_by_the_hour_asked_about() -> None:
    daily = Calendar(SITE.zone, (((9 * 3600, 18 * 3600),),) * 7)
    hours = flow(
        start=MenuNode(("menu",), {"1": "hours"}, "end"),
        hours=BranchNode(Subject.CALENDAR, {"open": "queue"}, "end", calendar="office"),
        queue=QueueNode("product"),
        end=HangUpNode("closed"),
    )
    at_noon, at_night = NOON, NOON + 12 * 3600
    assert ("product", "zh-TW") in told(ways(hours, facts(calendars={"office": daily}), at_noon))
    assert ("product", "zh-TW") not in told(ways(hours, facts(calendars={"office": daily}), at_night))


def test_everything_that_the_world_may_answer_is_tried() -> None:
    found = ways(
        flow(
            start=LookupNode(Lookup.ORDER, "who", "message", "sorry"),
            who=AuthenticateNode(("pin",), "end", "queue", "sorry"),
            message=VoicemailNode(),
            sorry=HangUpNode("closed"),
            queue=QueueNode("product"),
            end=HangUpNode("self_service"),
        ),
        replace(facts(), customer_id="c1"),
        NOON,
    )
    assert {place for place, _ in told(found)} == {"voicemail", "closed", "product", "self_service"}
    assert told(found)["self_service", "zh-TW"] == "1111#"
