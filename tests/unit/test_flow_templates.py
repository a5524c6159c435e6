"""Every template becomes a flow of a site: checked, with all its conversations, every way walked, in both languages."""

import json
import sys
import tomllib
import wave
from dataclasses import replace
from pathlib import Path

import pytest

from api.cli.main import main
from callcenter.config.site import load_site
from callcenter.flow_templates import TemplateError, add, make, template, templates
from callcenter.prompts_render import Line
from tests.kit.parts import DEMO_SITE
from tests.kit.sites import without_templates

GIVEN = {"queue": "orders", "calendar": "always", "tiers": "platinum, vip"}


def silence(_: Line, target: Path) -> None:
    """Audio as a site needs it, of a fifth of a second."""
    with wave.open(str(target), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8_000)
        audio.writeframes(bytes(3_200))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return without_templates(tmp_path / "site")


def fitting(name: str) -> dict[str, str]:
    """Something of the demo site for everything that the template needs."""
    queues = iter(("vip", "orders", "activities", "product"))
    return {
        need: next(queues) if wanted.kind == "queue" else GIVEN[wanted.kind]
        for need, wanted in template(name).needs.items()
    }


@pytest.mark.parametrize("name", templates())
def test_a_template_is_a_sound_flow_and_its_conversations_walk_every_way(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new = make(template(name), "mine", fitting(name), load_site(folder))
    add(new, folder, silence)
    site = load_site(folder)
    assert "mine" in site.flows
    script = folder / "flows/tests/mine.toml"
    monkeypatch.setattr(sys, "argv", ["callcenter", "flow", "test", str(script), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    told = json.loads(capsys.readouterr().out)
    assert [each for each in told["conversations"] if each["mistakes"]] == []
    assert (told["coverage"]["ways_missed"], told["coverage"]["nodes_missed"]) == ([], [])
    assert ended.value.code in {0, None}
    spoken_to = {each["caller"].get("language", "zh-TW") for each in _callers(script)}
    assert spoken_to == {"zh-TW", "en"}


def _callers(script: Path) -> list[dict[str, dict[str, str]]]:
    return [{"caller": each.get("caller", {})} for each in tomllib.loads(script.read_text())["conversation"]]


@pytest.mark.parametrize("name", templates())
def test_a_template_has_every_text_in_both_languages_and_none_that_it_does_not_say(name: str, tmp_path: Path) -> None:
    lines = template(name).lines
    by_language = {
        language: {line.prompt for line in lines if line.language == language} for language in ("zh-TW", "en")
    }
    assert by_language["zh-TW"] == by_language["en"]
    said = template(name).flow
    assert [prompt for prompt in by_language["en"] if f'"{prompt}"' not in said] == []


def test_the_same_prompt_says_the_same_in_every_template_and_in_the_demo() -> None:
    texts: dict[tuple[str, str], set[str]] = {}
    for name in templates():
        for line in template(name).lines:
            texts.setdefault((line.language, line.prompt), set()).add(line.text)
    assert {place for place, said in texts.items() if len(said) > 1} == set()


@pytest.mark.parametrize("name", templates())
def test_the_demo_site_has_each_template_as_it_is_now(name: str) -> None:
    demo = load_site(DEMO_SITE)
    given = {
        "after_call_survey": {"service": "product"},
        "appointment_reminder": {"service": "activities"},
        "collections": {"service": "product"},
        "hotline": {"calendar": "office", "sales": "product", "service": "orders", "person": "product"},
        "order_status": {"service": "orders"},
        "self_service": {"service": "orders", "calendar": "office"},
        "vip_line": {"tiers": "vip_risk,platinum,vip", "vip": "vip", "service": "product", "calendar": "always"},
    }[name]
    flows = {flow_id: flow for flow_id, flow in demo.flows.items() if flow_id != name}
    elsewhere = replace(demo, flows=flows, folder=DEMO_SITE / "nowhere")
    new = make(template(name), name, given, elsewhere)
    assert new.flow == (DEMO_SITE / f"flows/{name}.toml").read_text()
    assert new.tests == (DEMO_SITE / f"flows/tests/{name}.toml").read_text()
    assert new.lines == []
    texts = tomllib.loads((DEMO_SITE / "prompts.toml").read_text())
    voiced = {(line.prompt, line.language): line.text for line in template(name).lines if line.voice == line.language}
    assert {place: texts[place[0]][place[1]] for place in voiced} == voiced


def test_there_are_templates_for_what_hotlines_are_made_of() -> None:
    assert set(templates()) == {
        *("hotline", "vip_line", "after_call_survey", "appointment_reminder"),
        *("order_status", "self_service", "collections"),
    }


def test_what_a_template_needs_is_asked_for_all_at_once_with_what_the_site_has(folder: Path) -> None:
    site = load_site(folder)
    with pytest.raises(TemplateError) as refusal:
        make(template("vip_line"), "main", {"vip": "nobody", "tiers": "vip, gold", "colour": "red"}, site)
    said = refusal.value.mistakes
    assert [mistake for mistake in said if "already" in mistake] == ["the site has a flow 'main' already"]
    assert any(mistake.startswith("service is missing") and "product, orders" in mistake for mistake in said)
    assert any("no such queue 'nobody'" in mistake for mistake in said)
    assert any("'gold'" in mistake for mistake in said)
    assert any("'colour'" in mistake for mistake in said)


def test_the_sites_own_prompts_stay_and_the_new_texts_are_there_to_be_rendered_again(folder: Path) -> None:
    before = {file: file.read_bytes() for file in folder.rglob("*.wav")}
    texts = (folder / "prompts.toml").read_text()
    new = make(template("hotline"), "mine", fitting("hotline"), load_site(folder))
    written = add(new, folder, silence)
    assert all(file.read_bytes() == content for file, content in before.items())
    assert {file.name for file in written} > {"hotline_menu.wav", "mine.toml", "prompts.toml"}
    assert "welcome.wav" not in {file.name for file in written}
    after = (folder / "prompts.toml").read_text()
    assert after.startswith(texts)
    assert tomllib.loads(after)["hotline_menu"]["en"].startswith("To buy something")


@pytest.mark.parametrize(
    ("dialed", "said"),
    [("0800000100", "already"), ("+886800000100", "already"), ("hotline", "no number"), ('1"]\n[x', "no number")],
)
def test_a_number_that_leads_elsewhere_or_is_none_is_refused(folder: Path, dialed: str, said: str) -> None:
    with pytest.raises(TemplateError) as refusal:
        make(template("hotline"), "mine", fitting("hotline"), load_site(folder), dialed)
    assert said in refusal.value.mistakes[0]


def test_when_a_prompt_cannot_be_rendered_nothing_is_written(folder: Path) -> None:
    def broken(line: Line, target: Path) -> None:
        if line.language == "en":
            raise OSError("no voice")
        silence(line, target)

    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    new = make(template("hotline"), "mine", fitting("hotline"), load_site(folder))
    with pytest.raises(OSError, match="no voice"):
        add(new, folder, broken)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_flow_new_lists_the_templates_and_refuses_nonsense(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[object, str]:
        monkeypatch.setattr(sys, "argv", ["callcenter", "flow", "new", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, capsys.readouterr().out

    code, listed = run()
    assert code == 0
    assert all(f"{name}: " in listed for name in templates())
    assert run("mine", "--template", "hotline", "--site", str(folder), "--set", "sales")[0] == 2
    code, said = run("mine", "--template", "hotline", "--site", str(folder), "--set", "sales=orders")
    assert code == 1
    assert said.count("is missing") == 3
    assert run("mine", "--template", "hotlin", "--site", str(folder))[0] == 1
    assert not (folder / "flows/mine.toml").exists()


def test_flow_new_speaks_its_prompts(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"--set={need}={name}" for need, name in fitting("after_call_survey").items()]
    arguments = ["new", "mine", "--template", "after_call_survey", "--site", str(folder), "--json", *given]
    arguments += ["--dialed", "0800000301"]
    monkeypatch.setattr(sys, "argv", ["callcenter", "flow", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in {0, None}
    assert json.loads(capsys.readouterr().out)["made"] is True
    site = load_site(folder)
    assert "mine" in site.flows
    assert site.hotlines["0800000301"].flow == "mine"
    with wave.open(str(folder / "prompts/zh-TW/survey_solved.wav")) as audio:
        assert 1.0 < audio.getnframes() / audio.getframerate() < 10.0
