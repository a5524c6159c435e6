"""A 0 leads to a person from every node that asks, of the demo and of every template: pressed on real calls (S289)."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api.cli.flow_test import facts_of
from api.dialing.part import Part
from api.dialing.recogniser import ScriptedRecogniser
from api.dialing.replay import replay
from callcenter.beside import Beside
from callcenter.config.site import Site, load_site
from callcenter.flow_templates import templates
from ivr.calendar import is_open
from ivr.model import AskingNode, CollectNode, Scale, SurveyNode
from ivr.rehearsal import Player
from ivr.script import Conversation, HangsUp, Keys
from ivr.world_model import AuthenticateNode
from tests.integration.test_flow_replay import script_of
from tests.kit.hotline import access, settings_for
from tests.kit.parts import DEMO_SITE, RealAsterisk

pytestmark = pytest.mark.integration


def pressing_zero(site: Site, flow_id: str) -> Iterator[tuple[str, Part]]:
    """For each place where a script's caller is asked: the conversation as far as there, and then a 0."""
    flow = site.flows[flow_id]
    for conversation in script_of(site, flow_id).conversations:
        player = Player(flow, facts_of(conversation, site), conversation.at)
        for n, step in enumerate(conversation.steps):
            if isinstance(step, HangsUp) or player.do(step) or player.turn.exit is not None:
                break
            node_id = player.turn.cursor.node
            node = flow.nodes[node_id]
            if not isinstance(node, AskingNode) or player.turn.cursor.asked_at is not None:
                continue
            question = player.turn.cursor.question
            if isinstance(node, SurveyNode) and question >= 0 and node.questions[question].scale is Scale.NPS:
                continue  # where a 0 is an answer, as below
            if isinstance(node, CollectNode | AuthenticateNode):
                continue
            yield f"{flow_id}.{node_id}", Part(flow, _with_zero(conversation, n + 1, node_id), player.facts)


def _with_zero(conversation: Conversation, steps: int, node_id: str) -> Conversation:
    return replace(
        conversation,
        name=f"0 at {node_id}",
        steps=(*conversation.steps[:steps], Keys("0")),
        holds={},
        survey=None,
        language=None,
        consent=None,
    )


def ended_with_zero(part: Part) -> Part:
    """The same, with where virtual time says that it ends."""
    player = Player(part.flow, part.facts, part.conversation.at)
    for step in part.conversation.steps:
        assert not player.do(step)
    player.let_prompts_end()
    return replace(part, conversation=replace(part.conversation, exit=player.ended_as()))


async def test_zero_leads_to_a_person_from_every_node_that_asks(
    asterisk: RealAsterisk, database_url: str, tmp_path: Path
) -> None:
    site = load_site(DEMO_SITE)
    by_place: dict[str, Part] = {}
    for flow_id in ("main", *templates()):
        for place, part in pressing_zero(site, flow_id):
            if not part.undialable(site.default_value_tier):
                ended = ended_with_zero(part)
                by_day = is_open(site.calendars["office"], part.conversation.at)
                by_place.setdefault(place if by_day else f"{place} by night", ended)
    exits = {place: part.conversation.exit.partition(":")[0] for place, part in by_place.items()}
    assert {place: exit_ for place, exit_ in exits.items() if exit_ != "queue"} == {
        "self_service.menu by night": "voicemail"
    }
    companion = asterisk.companion
    beside = Beside(database_url, access(companion), companion.recordings_dir)
    parts = list(by_place.values())
    nobody, server, settings = ScriptedRecogniser(), asterisk.sip_address, settings_for(tmp_path)
    held = await replay(parts, site, beside, nobody, server, settings, lambda part, held: None)
    found = {part.name: each.mistakes for part, each in zip(parts, held, strict=True)}
    assert {name: mistakes for name, mistakes in found.items() if mistakes} == {}
    assert {"main.menu", "hotline.menu", "hotline.consent", "vip_line.others", "after_call_survey.survey"} <= set(
        by_place
    )
