"""A site is loaded whole, or refused with everything that is wrong."""

import shutil
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

import callcenter.config
from callcenter.config.site import SiteError, load_site
from ivr.calendar import is_open
from ivr.nodes import READ
from tests.kit.sites import without_templates

DEMO = Path(callcenter.config.__file__).parent / "demo_site"
NOW = 1_760_000_000.0
AGENT_ORDERS = (
    "longest_idle, least_occupied, most_proficient, least_proficient, fewest_contacts, round_robin, linear, weighted"
)
NODE_TYPES = ", ".join(READ)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the demo site, to be spoilt."""
    return shutil.copytree(DEMO, tmp_path / "site")


@pytest.fixture
def spoil(folder: Path) -> Callable[[str, str, str], None]:
    """Replaces text in a file of the copy; the text must be there."""

    def replace(name: str, old: str, new: str) -> None:
        file = folder / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return replace


def mistakes(folder: Path) -> tuple[str, ...]:
    with pytest.raises(SiteError) as refusal:
        load_site(folder)
    return refusal.value.mistakes


def test_the_demo_site_is_what_other_programs_depend_on() -> None:
    site = load_site(DEMO)
    assert list(site.queues) == ["product", "orders", "activities", "vip", "advice"]
    assert site.skills == ("product", "orders", "activities", "vip", "zh-TW", "en")
    assert list(site.agents) == [f"agent{n:02}" for n in range(1, 11)]
    assert len({tuple(sorted(agent.skills.items())) for agent in site.agents.values()}) == 10
    assert site.value_tiers == ("vip_risk", "platinum", "vip", "growth", "standard", "basic")
    assert site.warnings == ()
    assert site.customers["c0001"].phone == "+886910000001"
    assert {customer.value_tier for customer in site.customers.values()} == {"platinum", "vip", "standard", "basic"}
    assert (site.region, site.languages, str(site.zone)) == ("TW", ("zh-TW", "en"), "Asia/Taipei")
    assert is_open(site.calendars["always"], NOW)
    assert not is_open(site.calendars["never"], NOW)


@pytest.mark.parametrize("dialed", ["0800000200", "+886800000200", "886800000200"])
def test_a_hotline_is_found_in_any_spelling(dialed: str) -> None:
    hotline = load_site(DEMO).hotline(dialed)
    assert (hotline.dialed, hotline.flow, hotline.queue) == ("0800000200", None, "vip")


@pytest.mark.parametrize("dialed", ["", "0999", "s", "\x00", "9" * 65_536])
def test_a_number_nobody_configured_leads_to_the_default_hotline(dialed: str) -> None:
    assert load_site(DEMO).hotline(dialed).dialed == "0800000100"


def test_an_unknown_value_tier_ranks_like_the_default() -> None:
    site = load_site(DEMO)
    assert [site.tier_rank(tier) for tier in ("platinum", "vip", "standard", "basic", "gold")] == [1, 2, 4, 5, 4]


@pytest.mark.parametrize("language", ["zh-TW", "en"])
def test_the_shipped_prompts_are_short(language: str) -> None:
    def length_s(prompt: str) -> float:
        with wave.open(str(DEMO / "prompts" / language / f"{prompt}.wav")) as audio:
            return float(audio.getnframes() / audio.getframerate())

    assert length_s("welcome") <= 4.0
    assert length_s("main_menu") + length_s("other_language") <= 8.0


def test_the_digest_follows_the_content_and_nothing_else(folder: Path, spoil: Callable[[str, str, str], None]) -> None:
    digest = load_site(DEMO).digest
    assert load_site(folder).digest == digest
    spoil("queues.toml", "ring_s = 20", "ring_s = 21")
    changed = load_site(folder).digest
    assert changed != digest
    (folder / "prompts/en/welcome.wav").write_bytes((folder / "prompts/en/closed.wav").read_bytes())
    assert load_site(folder).digest not in {digest, changed}


def test_a_flow_changes_its_version_with_its_text(folder: Path, spoil: Callable[[str, str, str], None]) -> None:
    before = load_site(folder).flows
    spoil("flows/main.toml", "timeout_s = 5", "timeout_s = 6")
    after = load_site(folder).flows
    assert after["main"].version != before["main"].version
    assert after["after_hours"].version == before["after_hours"].version


def test_twenty_mistakes_are_reported_at_once_each_with_its_path(
    folder: Path, spoil: Callable[[str, str, str], None]
) -> None:
    shutil.rmtree(folder)
    without_templates(folder)  # whose prompts would be missing in many more places
    spoil("site.toml", 'region = "TW"', 'region = "Taiwan"')
    spoil("site.toml", '"Asia/Taipei"', '"Asia/Taipeh"')
    spoil("site.toml", '["agent01", "agent02"]', '["agent01", "agnet02"]')
    spoil("site.toml", 'recording = "always"', 'recordings = "always"')
    spoil("site.toml", 'default_hotline = "0800000100"', 'default_hotline = "0800000101"')
    spoil("hotlines.toml", 'flow = "main"', 'flow = "mian"')
    spoil("hotlines.toml", '"to_agent"]', '"to_agents"]')
    spoil("hotlines.toml", 'flow = "after_hours"', 'flow = "after_hours"\nqueue = "vip"')
    spoil("queues.toml", "{ orders = 1 }", "{ ordrs = 1 }")
    spoil("queues.toml", "ring_s = 20", "ring_s = 2000")
    spoil("queues.toml", 'agent_order = "most_proficient"', 'agent_order = "best"')
    spoil("queues.toml", "sl_s = 30", 'sl_s = "30"')
    spoil("agents.toml", "product = 5, orders = 3", "product = 101, orders = 3")
    spoil("agents.toml", 'name = "黃淑芬"', "")
    spoil("customers.toml", "+886910000002", "0910000002")
    spoil("customers.toml", "+886910000004", "+886910000003")
    spoil("customers.toml", 'last_agent = "agent07"', 'last_agent = "agent007"')
    spoil("customers.toml", 'value_tier = "basic"', 'value_tier = "bronze"')
    spoil("calendars.toml", '"2026-02-28"', '"2026-02-30"')
    spoil("flows/main.toml", '2 = "orders"', '2 = "order"')
    spoil("flows/main.toml", 'type = "language"', 'type = "langauge"')
    spoil("flows/after_hours.toml", 'calendar = "never"', 'calendar = "nevr"')
    (folder / "prompts/en/goodbye.wav").unlink()
    assert mistakes(folder) == (
        "site.time_zone: no such time zone 'Asia/Taipeh'",
        "site.region: no such region 'Taiwan'; write two capitals such as 'TW'",
        "site.recordings: unknown key; did you mean 'recording'?",
        "site.emergency_agents: no such agent 'agnet02'; did you mean 'agent02'?",
        "site.default_hotline: no such hotline '0800000101'; did you mean '0800000100'?",
        "site.closed_prompts: no such prompt 'goodbye' (in en)",
        "hotlines.0800000100.flow: no such flow 'mian'; did you mean 'main'?",
        "hotlines.0800000200.announcement: no such prompt 'to_agents'; did you mean 'to_agent'? (in zh-TW)",
        "hotlines.0800000200.announcement: no such prompt 'to_agents'; did you mean 'to_agent'? (in en)",
        "hotlines.0800000900: needs exactly one of flow and queue",
        "queues.product.ring_s: must be between 1 and 120, not 2000",
        f"queues.product.agent_order: must be one of {AGENT_ORDERS}, not 'best'",
        "queues.orders.needs: no such skill 'ordrs'; did you mean 'orders'?",
        "queues.activities.sl_s: must be a number, not '30'",
        "agents.agent01.skills.product: must be between 0 and 100, not 101",
        "agents.agent03.name: is missing",
        "calendars.office.holidays: '2026-02-30' is no date; write \"2026-10-10\"",
        "customers.c0002.phone: '0910000002' is no number in E.164, such as '+886910000001'",
        "customers.c0004.value_tier: no such value tier 'bronze'",
        "customers.c0006.last_agent: no such agent 'agent007'; did you mean 'agent07'?",
        "customers.c0004.phone: is also the phone of customers.c0003",
        "flows.after_hours.nodes.hours.calendar: no such calendar 'nevr'; did you mean 'never'?",
        "flows.after_hours.nodes.closed.prompts: no such prompt 'goodbye' (in en)",
        f"flows.main.nodes.english.type: must be one of {NODE_TYPES}, not 'langauge'; did you mean 'language'?",
        "flows.main.nodes.menu.choices.2: no such node 'order'; did you mean 'orders'?",
        "flows.main.nodes.closed.prompts: no such prompt 'goodbye' (in en)",
        "prompts/en: no such prompt 'goodbye'; the dialplan says it",
    )


@pytest.mark.parametrize("name", ["site", "hotlines", "queues", "agents"])
def test_a_missing_file_is_one_mistake(folder: Path, name: str) -> None:
    (folder / f"{name}.toml").unlink()
    assert mistakes(folder) == (f"{name}.toml: is missing",)


@pytest.mark.parametrize(
    "name", ["site", "tiers", "rules", "hotlines", "queues", "agents", "calendars", "customers", "flows/main"]
)
def test_an_error_of_toml_names_file_and_line_and_nothing_follows_from_it(
    folder: Path, spoil: Callable[[str, str, str], None], name: str
) -> None:
    text = (folder / f"{name}.toml").read_text()
    (folder / f"{name}.toml").write_text(f"{text}\n[[[oops\n")
    line = text.count("\n") + 2
    (found,) = mistakes(folder)
    assert found.startswith(f"{name}.toml: ")
    assert f"at line {line}" in found


def test_a_file_that_is_not_utf8_is_named_with_the_line(folder: Path) -> None:
    (folder / "agents.toml").write_bytes('# ok\n[agent01]\nname = "林"\n'.encode("big5"))
    assert mistakes(folder) == ("agents.toml: line 3: is not UTF-8",)


def test_a_bottomless_file_is_a_mistake(folder: Path) -> None:
    (folder / "customers.toml").write_text("a = " + "[" * 100_000)
    assert mistakes(folder) == ("customers.toml: is nested too deeply",)


def test_a_misspelt_file_is_named_with_the_right_one(folder: Path) -> None:
    (folder / "calendar.toml").write_text("")
    assert mistakes(folder) == ("calendar.toml: unknown file; did you mean 'calendars.toml'?",)


def test_a_folder_that_is_not_there_says_which_setting_names_it(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path / "nowhere")
    assert found.endswith("no such folder; CALLCENTER_SITE names the site's folder")


def test_a_queue_that_nobody_can_serve_in_a_language_is_a_mistake(
    spoil: Callable[[str, str, str], None], folder: Path
) -> None:
    spoil("queues.toml", "{ activities = 1 }", "{ activities = 5 }")
    assert mistakes(folder) == ("queues.activities.needs: no agent has the skills to serve it in 'en'",)


def test_one_number_cannot_be_two_hotlines(folder: Path) -> None:
    with (folder / "hotlines.toml").open("a") as file:
        file.write('["+886800000100"]\nqueue = "vip"\n')
    assert mistakes(folder) == ("hotlines.+886800000100: is the same number as hotlines.0800000100",)


def test_names_that_would_become_sip_users_and_dialplan_words_are_plain(folder: Path) -> None:
    with (folder / "agents.toml").open("a") as file:
        file.write('["agent11,Hangup()"]\nname = "x\\u0007"\nskills = { en = 1 }\n')
    with (folder / "hotlines.toml").open("a") as file:
        file.write('["08;00"]\nqueue = "vip"\n')
    found = mistakes(folder)
    assert [mistake.split(": ")[0] for mistake in found] == [
        "hotlines.08;00",
        "agents.agent11,Hangup()",
        "agents.agent11,Hangup().name",
    ]


def test_audio_of_the_wrong_shape_is_a_mistake(folder: Path) -> None:
    prompts = folder / "prompts/en"
    with wave.open(str(prompts / "welcome.wav"), "wb") as audio:
        audio.setnchannels(2)
        audio.setsampwidth(2)
        audio.setframerate(44_100)
        audio.writeframes(bytes(44_100))
    with wave.open(str(prompts / "closed.wav"), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8_000)
        audio.writeframes(bytes(2 * 8_000 * 31))
    (prompts / "goodbye.wav").write_bytes(b"")
    (prompts / "no_input.wav").write_text("not audio")
    assert [mistake.removeprefix("prompts/en/") for mistake in mistakes(folder)] == [
        "closed.wav: must last up to 30 s, not 31.0 s",
        "goodbye.wav: is no wav file: it ends early",
        "no_input.wav: is no wav file: file does not start with RIFF id",
        "welcome.wav: must be mono, 8000 Hz, 16 bit, not 2 channels, 44100 Hz, 16 bit",
    ]


def test_a_language_without_prompts_is_one_mistake(folder: Path, spoil: Callable[[str, str, str], None]) -> None:
    spoil("site.toml", 'languages = ["zh-TW", "en"]', 'languages = ["zh-TW", "en", "ja"]')
    spoil("site.toml", '"vip", "zh-TW", "en"]', '"vip", "zh-TW", "en", "ja"]')
    spoil("agents.toml", "vip = 5, zh-TW = 5", "vip = 5, ja = 1, activities = 1, zh-TW = 5")
    assert mistakes(folder) == ("prompts/ja: no such folder; every language needs its prompts",)


def test_the_dialplans_own_prompts_must_be_there(folder: Path) -> None:
    (folder / "prompts/zh-TW/fallback_please_hold.wav").unlink()
    (found,) = mistakes(folder)
    assert found.startswith("prompts/zh-TW: no such prompt 'fallback_please_hold'")


def test_a_local_number_of_a_customer_is_answered_with_its_e164(
    folder: Path, spoil: Callable[[str, str, str], None]
) -> None:
    spoil("customers.toml", "+886910000002", "0910-000-002")
    assert mistakes(folder) == ("customers.c0002.phone: must be E.164: write '+886910000002'",)
