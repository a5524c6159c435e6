"""What a site says of calling back: read as meant, or refused with the path and the reason."""

import re
from pathlib import Path

import pytest

import callcenter.config
from api.cli import doctor
from callcenter.asterisk.requests import dial_string
from callcenter.blueprint import acd_configuration, contact_plan
from callcenter.config.settings import SettingsError, load_settings
from callcenter.config.site import SiteError, load_site
from callcenter.contact.dial_policy import DialPolicy
from callcenter.contact.slots import SlotRules
from callcenter.site_customers import known
from routing.model import CallbackMode, CallbackRules, Exit, ExitKind
from tests.kit.sites import without_callbacks

DEMO = Path(callcenter.config.__file__).parent / "demo_site"
DIAL_OUT = """
callback_prompts = ["goodbye"]
called_back_prompts = ["to_agent"]

[dial_out]
allow = ["+886", "+81"]
refuse = ["+886204"]
caller_id = "0800000100"
ring_s = 25
"""
CALLBACK = """
[later]
requires = "orders"
exit = { to = "callback", after_s = 120 }
limits = { waiting_max = 50, otherwise = "callback" }
callback = { mode = "customer_first", dial_s = 12, attempts_max = 2, retry_s = 60, expires_s = 3600, key = "1" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return without_callbacks(tmp_path / "site")


def add(folder: Path, name: str, text: str) -> None:
    with (folder / name).open("a") as file:
        file.write(text)


def mistakes(folder: Path) -> tuple[str, ...]:
    with pytest.raises(SiteError) as refusal:
        load_site(folder)
    return refusal.value.mistakes


def test_a_site_says_what_may_be_dialed_and_a_queue_how_it_calls_back(folder: Path) -> None:
    add(folder, "site.toml", DIAL_OUT)
    add(folder, "queues.toml", CALLBACK)
    site = load_site(folder)
    assert site.dial_out == DialPolicy(("+886", "+81"), ("+886204",), "0800000100", 25.0)
    queue = site.queues["later"]
    assert queue.callback == CallbackRules(CallbackMode.CUSTOMER_FIRST, 12.0, 2, 60.0, 3600.0)
    assert (queue.exit_to, queue.limits.otherwise) == (Exit(ExitKind.CALLBACK), Exit(ExitKind.CALLBACK))
    plan = contact_plan(site)
    assert (plan.dial_out, plan.callback_prompts, plan.called_back_prompts) == (
        site.dial_out,
        ("goodbye",),
        ("to_agent",),
    )
    assert (plan.queue("later").callback, plan.queue("later").callback_key) == (queue.callback, "1")
    (rules,) = [each for each in acd_configuration(site).queues if each.queue == "later"]
    assert rules.callback == queue.callback


def test_a_flow_that_promises_to_call_needs_to_know_what_may_be_dialed_too(folder: Path) -> None:
    main = folder / "flows" / "main.toml"
    orders = '[nodes.orders]\ntype = "queue"\nqueue = "orders"\nannouncement = ["to_agent"]'
    assert orders in main.read_text()
    main.write_text(main.read_text().replace(orders, '[nodes.orders]\ntype = "callback"\nqueue = "orders"'))
    assert mistakes(folder) == (
        "flows.main.nodes.orders: calls back, and site.toml has no dial_out: which numbers may be dialed",
    )
    add(folder, "site.toml", DIAL_OUT)
    load_site(folder)


@pytest.mark.parametrize(
    "way", ['exit = { to = "callback", after_s = 9 }', 'limits.otherwise = "callback"', 'callback = { key = "1" }']
)
def test_who_promises_to_call_must_say_what_may_be_dialed(folder: Path, way: str) -> None:
    add(folder, "queues.toml", f'\n[later]\nrequires = "orders"\n{way}\n')
    assert mistakes(folder) == ("queues.later: calls back, and site.toml has no dial_out: which numbers may be dialed",)


@pytest.mark.parametrize(
    ("file", "old", "new", "mistake"),
    [
        ("site.toml", '"+81"', '"0912"', "site.dial_out.allow: '0912' begins no number; write + and the country, such"),
        ("site.toml", '["+886", "+81"]', "[]", "site.dial_out.allow: allows nothing"),
        ("site.toml", '"0800000100"\nring', '"help"\nring', "site.dial_out.caller_id: must be a number"),
        ("site.toml", "ring_s = 25", "ring_s = 500", "site.dial_out.ring_s: must be between 5 and 120, not 500"),
        ("site.toml", '["to_agent"]', '["nothing"]', "site.called_back_prompts: no such prompt 'nothing'"),
        ("queues.toml", '"customer_first"', '"first"', "queues.later.callback.mode: must be one of agent_first,"),
        ("queues.toml", 'key = "1"', 'key = "12"', "queues.later.callback.key: must be one of 0-9, * and #, not '12'"),
        ("queues.toml", "attempts_max = 2", "attempts_max = 0", "queues.later.callback.attempts_max: must be betw"),
        ("queues.toml", "retry_s = 60", "retry = 60", "queues.later.callback.retry: unknown key; did you mean"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_path(
    folder: Path, file: str, old: str, new: str, mistake: str
) -> None:
    add(folder, "site.toml", DIAL_OUT)
    add(folder, "queues.toml", CALLBACK)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    found = mistakes(folder)
    assert any(each.startswith(mistake) for each in found), found


def test_a_call_goes_to_the_trunks_host_or_by_the_operators_own_dial_string() -> None:
    assert dial_string("sip.example.net:5080", "+886912345678") == "PJSIP/trunk/sip:+886912345678@sip.example.net:5080"
    assert dial_string("PJSIP/{number}@provider", "+886912345678") == "PJSIP/+886912345678@provider"


def test_a_trunk_is_a_host_or_a_dial_string_and_nothing_else(tmp_path: Path) -> None:
    assert load_settings(var=tmp_path, trunk="192.0.2.7:5060").trunk == "192.0.2.7:5060"
    assert load_settings(var=tmp_path, trunk="PJSIP/{number}@provider").trunk == "PJSIP/{number}@provider"
    for wrong in ("PJSIP/provider", "sip:x@y", "a b", "System(rm)/{number}"):
        with pytest.raises(SettingsError, match="CALLCENTER_TRUNK"):
            load_settings(var=tmp_path, trunk=wrong)


def test_the_doctor_notes_a_site_that_calls_back_without_a_trunk(folder: Path, tmp_path: Path) -> None:
    quiet = doctor._site(load_settings(var=tmp_path, site=folder))
    assert "trunk" not in {finding.name for finding in quiet}
    add(folder, "site.toml", DIAL_OUT)
    add(folder, "queues.toml", CALLBACK)
    notes = [
        {finding.name: finding for finding in doctor._site(load_settings(var=tmp_path, site=folder, trunk=trunk))}
        for trunk in (None, "192.0.2.7")
    ]
    assert [(note["trunk"].ok, note["trunk"].required) for note in notes] == [(False, False), (True, False)]


@pytest.mark.parametrize(
    ("number", "mistake"),
    [
        ("'+886223456789'", None),
        ("'2001'", None),
        ("tier", None),  # who knows what it will be
        ("'+886204555666'", ".number: '+886204555666' may not be dialed by dial_out in site.toml"),
        ("'4001'", ".number: '4001' may not be dialed by dial_out in site.toml"),
        ("'02-2345-6789'", ".number: '02-2345-6789' is neither +, the country and a number, nor an extension"),
    ],
)
def test_a_flow_transfers_to_phones_that_may_be_dialed_only(folder: Path, number: str, mistake: str | None) -> None:
    main = folder / "flows" / "main.toml"
    orders = '[nodes.orders]\ntype = "queue"\nqueue = "orders"\nannouncement = ["to_agent"]'
    away = f'[nodes.orders]\ntype = "transfer"\nnumber = "{number}"\non_failed = "product"'
    main.write_text(main.read_text().replace(orders, away))
    assert mistakes(folder) == (
        "flows.main.nodes.orders: transfers to a phone, and site.toml has no dial_out: which numbers may be dialed",
    )
    add(folder, "site.toml", DIAL_OUT + 'extensions = ["20"]\n')
    if mistake is None:
        assert load_site(folder).dial_out == DialPolicy(("+886", "+81"), ("+886204",), "0800000100", 25.0, ("20",))
    else:
        assert mistakes(folder) == (f"flows.main.nodes.orders{mistake}",)


def test_extensions_begin_with_digits(folder: Path) -> None:
    add(folder, "site.toml", DIAL_OUT + 'extensions = ["+886"]\n')
    assert mistakes(folder) == ("site.dial_out.extensions: '+886' begins no extension; write up to 8 digits",)


SLOTS = """
[later]
requires = "orders"
hours = "always"
callback = { slot_max = 4, slot_s = 3600, slots_offered = 2 }
"""


def test_a_queue_says_how_many_it_calls_in_each_slot(folder: Path) -> None:
    add(folder, "queues.toml", SLOTS)
    site = load_site(folder)
    assert site.queues["later"].slots == contact_plan(site).queue("later").slots == SlotRules(3_600.0, 4, 2)
    assert contact_plan(site).queue("later").hours == "always"


@pytest.mark.parametrize(
    ("wrong", "mistake"),
    [
        ("slot_s = 1000, slot_max = 1", "callback.slot_s: must be quarters of an hour"),
        ("slot_s = 1800", "callback.slot_s: says nothing without slot_max"),
        ("slot_max = 0", "callback.slot_max: must be"),
    ],
)
def test_slots_that_make_no_sense_are_refused(folder: Path, wrong: str, mistake: str) -> None:
    add(folder, "queues.toml", SLOTS.replace("slot_max = 4, slot_s = 3600, slots_offered = 2", wrong))
    assert any(each.startswith(f"queues.later.{mistake}") for each in mistakes(folder)), mistakes(folder)


def test_slots_need_hours_and_a_flow_that_offers_them_a_queue_that_has_some(folder: Path) -> None:
    add(folder, "site.toml", DIAL_OUT)
    add(folder, "queues.toml", SLOTS.replace('hours = "always"', ""))
    main = folder / "flows" / "main.toml"
    orders = '[nodes.orders]\ntype = "queue"\nqueue = "orders"\nannouncement = ["to_agent"]'
    offers = '[nodes.orders]\ntype = "callback"\nqueue = "orders"\nprompts = ["to_agent"]\non_none = "product"\n'
    offers += 'on_exhausted = "product"'
    main.write_text(main.read_text().replace(orders, offers))
    found = mistakes(folder)
    assert "queues.later.callback.slot_max: needs hours: slots are offered while the queue is open" in found
    wanted = "flows.main.nodes.orders.queue: 'orders' has no slots; callback.slot_max says how many it takes in each"
    assert wanted in found
    assert any("nodes.orders.prompts: times need the prompts" in each for each in found)


def test_what_a_site_says_of_an_order_on_its_way_is_there_for_the_flows(folder: Path) -> None:
    customers = folder / "customers.toml"
    first = re.search(r"^\[(\w+)\]\n", customers.read_text(), re.MULTILINE)
    assert first is not None
    customers.write_text(customers.read_text().replace(first[0], f"{first[0]}open_order = true\n", 1))
    site = load_site(folder)
    assert [each.customer_id for each in site.customers.values() if each.open_order] == [first[1]]
    assert known(site)[first[1]].open_order
