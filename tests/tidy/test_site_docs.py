"""Every key that a site may have is in docs/site.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
READERS = ("calling", "comfort", "fields", "head", "people", "queues", "rules")
SAID = {"text", "texts", "number", "whole", "flag", "one_of", "table", "raw", "optional_text"}
HELPED = {"known", "known_or_none", "all_known", "ids", "levels", "prompts", "requirement", "tables", "way_out"}
HELPED |= {"spoken_name", "parse_zone", "_reasoned", "_flag"}


def keys() -> Iterator[str]:
    """The keys that the readers ask for by name."""
    for reader in READERS:
        for node in ast.walk(ast.parse((ROOT / f"callcenter/config/{reader}.py").read_text())):
            if not isinstance(node, ast.Call):
                continue
            by_method = isinstance(node.func, ast.Attribute) and node.func.attr in SAID
            by_helper = isinstance(node.func, ast.Name) and node.func.id in HELPED
            given = node.args[0:1] if by_method else node.args[1:2] if by_helper else []
            yield from (key.value for key in given if isinstance(key, ast.Constant) and isinstance(key.value, str))


def test_every_key_of_a_site_is_documented() -> None:
    documented = (ROOT / "docs/site.md").read_text()
    found = set(keys())
    assert len(found) > 80
    silent = {"rule": "[[rule]]", "tier": "[[tier]]", "steps": ".steps]]", "loans": ".loans]]"}
    assert [
        key
        for key in sorted(found)
        if not re.search(rf"`{key}`|\b{key} = ", documented) and silent.get(key, "?") not in documented
    ] == []
