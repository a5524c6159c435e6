"""House rules that ruff can't know, kept by a test: size, time, randomness, events, docs."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from callcenter.contact.events import ContactEvent

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "callcenter", "ivr", "recordings", "routing")
FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 400

# A real reason beats the number: file → the reason.
LONGER_MODULES: dict[str, str] = {
    "callcenter/asterisk/events.py": "generated from Asterisk's API description",
}

# Only these read time or draw lots; everything else is told.
CLOCK = "callcenter/clock.py"
ENTROPY = "callcenter/entropy.py"
CLOCK_CALLS = {"time.time", "time.monotonic", "time.perf_counter", "time.time_ns", "datetime.utcnow"}
LOTS = {"random.random", "random.choice", "random.randint", "random.uniform", "random.shuffle", "uuid.uuid4"}


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))


def tracked(pattern: str) -> list[Path]:
    return [path for path in sorted(ROOT.rglob(pattern)) if not {".venv", "var", "node_modules"} & set(path.parts)]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.lineno, ast.unparse(node.func)


def test_a_function_fits_a_screen() -> None:
    long = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert long == []


def test_a_module_is_read_in_a_sitting() -> None:
    long = {name_of(path) for path in sources() if len(path.read_text().splitlines()) > MODULE_LINES_MAX}
    assert long <= LONGER_MODULES.keys()


def test_every_module_opens_with_its_idea() -> None:
    mute = [name_of(path) for path in sources() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert mute == []


def test_only_the_clock_reads_time_and_only_entropy_draws_lots() -> None:
    found = [
        f"{name_of(path)}:{line} {call}"
        for path in sources()
        for line, call in calls(path)
        if (call in CLOCK_CALLS and name_of(path) != CLOCK) or (call in LOTS and name_of(path) != ENTROPY)
    ]
    assert found == []


@pytest.mark.parametrize("body", get_args(ContactEvent), ids=lambda body: body.__name__)
def test_every_event_has_a_name_a_version_and_a_meaning(body: type[ContactEvent]) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", body.type)
    assert body.version >= 1
    assert len(body.__doc__ or "") > 20


def test_event_names_are_unique_and_in_the_docs() -> None:
    names = [body.type for body in get_args(ContactEvent)]
    assert len(set(names)) == len(names)
    documented = (ROOT / "docs/events.md").read_text()
    assert [name for name in names if f"`{name}`" not in documented] == []


def test_every_doc_has_one_title() -> None:
    wrong = []
    for path in tracked("*.md"):
        text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
        if len(re.findall(r"^# ", text, re.MULTILINE)) != 1:
            wrong.append(name_of(path))
    assert wrong == []


def test_no_link_in_the_docs_is_dangling() -> None:
    dangling = [
        f"{name_of(path)} → {target}"
        for path in tracked("*.md")
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert dangling == []


def test_every_adr_says_what_would_change_our_mind() -> None:
    for path in tracked("docs/adr/*.md"):
        text = path.read_text()
        assert text.startswith(f"# {path.name[:4]} "), path.name
        for part in ("Context", "Decision", "Consequences", "What would change our mind"):
            assert f"**{part}.**" in text, f"{path.name} lacks {part}"
