"""docs/ivr.md: its flow is sound, and every kind of node and every key that a node may have is in it."""

import ast
import re
import tomllib
from pathlib import Path

from ivr.check import Surroundings, check
from ivr.nodes import READ
from ivr.parse import parse
from ivr.scope import TYPES
from ivr.script import parse_script
from ivr.speech.rules import Style

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/ivr.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
SAID = {"text", "texts", "number", "whole", "flag", "one_of", "table", "raw", "optional_text", "text_map"}
HELPED = {"prompts", "by_key", "expressions", "expression", "plain_id", "timeout", "tables", "_named", "_url"}


def test_the_flow_in_the_docs_is_sound() -> None:
    flow = parse(tomllib.loads(EXAMPLES[0]), "main", "1")
    prompts = {"en": {"enter_account"}}
    assert check(flow, Surroundings(("en",), ("vip",), ("orders",), ("office",), prompts)) == ()


def test_every_node_in_the_docs_can_be_read() -> None:
    written = [tomllib.loads(example) for example in EXAMPLES]
    flows = [each for each in written[1:] if "nodes" in each]
    assert len(flows) >= 3
    for each in flows:
        parse({"start": next(iter(each["nodes"])), **each}, "f", "1")


def test_the_conversation_in_the_docs_can_be_played() -> None:
    from zoneinfo import ZoneInfo

    _, mistakes = parse_script(tomllib.loads(EXAMPLES[-1]), ZoneInfo("Asia/Taipei"))
    assert mistakes == ()


def test_every_kind_of_node_every_key_every_style_and_every_variable_is_documented() -> None:
    keys = {"tries_max", "within_s"}
    trees = [ast.parse((ROOT / f"ivr/{name}.py").read_text()) for name in ("nodes", "nodes_world")]
    for node in (each for tree in trees for each in ast.walk(tree)):
        if isinstance(node, ast.Call):
            by_method = isinstance(node.func, ast.Attribute) and node.func.attr in SAID
            by_helper = isinstance(node.func, ast.Name) and node.func.id in HELPED
            given = node.args[0:1] if by_method else node.args[1:2] if by_helper else []
            keys |= {key.value for key in given if isinstance(key, ast.Constant) and isinstance(key.value, str)}
    assert len(keys) > 50
    words = {*keys, *READ, *TYPES, *Style} - {"to"}
    assert [word for word in sorted(words) if not re.search(rf"`{word}`|\b{word} = |\b{word}[ ,}}]", TEXT)] == []
