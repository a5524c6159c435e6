"""What a site says of tiers, steps, rules and hours: read as meant, or refused with the path and the reason."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import callcenter.config
from callcenter.config.model import Site
from callcenter.config.site import SiteError, load_site
from routing.model import Exit, ExitKind, Gauge, Limits, Loan, Membership, Step
from routing.policy import Discipline
from routing.requirement import Held, met, parse
from routing.rules import Facts, decide

DEMO = Path(callcenter.config.__file__).parent / "demo_site"
DEMO_SITE = load_site(DEMO)
QUEUE = """
[extra]
requires = "orders >= 2 and not vip"
"""


@dataclass(frozen=True)
class Folder:
    """A copy of the demo site, to be added to and spoilt."""

    path: Path

    def add(self, name: str, text: str) -> "Folder":
        with (self.path / name).open("a") as file:
            file.write(f"\n{text}\n")
        return self

    def replace(self, name: str, old: str, new: str) -> "Folder":
        text = (self.path / name).read_text()
        assert old in text
        (self.path / name).write_text(text.replace(old, new, 1))
        return self

    def site(self) -> Site:
        return load_site(self.path)

    def mistakes(self) -> tuple[str, ...]:
        with pytest.raises(SiteError) as refusal:
            self.site()
        return refusal.value.mistakes


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(shutil.copytree(DEMO, tmp_path / "site"))


# ---- What is read ----


def test_the_tiers_of_the_demo_are_those_of_the_policy_table_with_vip_at_risk_before_vip() -> None:
    policy = DEMO_SITE.policy
    assert policy.discipline is Discipline.ACCUMULATING
    assert [(tier.name, tier.slope, tier.experience, tier.spill_s) for tier in policy.tiers[:3]] == [
        ("vip_risk", 8.0, 4, 45.0),
        ("platinum", 4.0, 4, 30.0),
        ("vip", 4.0, 3, 20.0),
    ]
    assert [policy.tier(rank).trunk_reserve for rank in range(6)] == [0, 0, 0, 2, 4, 4]


def test_tiers_that_are_only_named_are_served_strictly_in_their_order_and_with_a_bound(folder: Folder) -> None:
    (folder.path / "tiers.toml").unlink()
    folder.replace(
        "site.toml",
        "default_value_tier",
        'value_tiers = ["vip_risk", "platinum", "vip", "standard", "basic"]\ndefault_value_tier',
    )
    policy = folder.site().policy
    assert policy.discipline is Discipline.STRICT
    assert [tier.name for tier in policy.tiers] == ["vip_risk", "platinum", "vip", "standard", "basic"]
    assert all(0 < tier.starvation_s < 7_200 for tier in policy.tiers)


def test_a_queue_says_everything_that_the_acd_can_do(folder: Folder) -> None:
    folder.add(
        "queues.toml",
        """
[extra]
needs = { orders = 2 }
requires = "team:gold or experience >= 3"
agent_order = "fewest_contacts"
preferred_wait_s = 12
ring_several = 3
misses_max = 2
no_answer_delay_s = 1
reject_delay_s = 2
busy_delay_s = 3
fault_delay_s = 4
exit = { to = "voicemail", after_s = 90 }
limits = { waiting_max = 20, wait_max_s = 300, unstaffed = true, otherwise = "queue:product" }
hours = "office"
closing = "queue:product"
closed_exit = "voicemail"
[[extra.steps]]
requires = "agent:agent02"
skip_if_unstaffed = true
[[extra.steps]]
requires = "orders >= 3"
after_s = 20
[[extra.steps]]
after_s = 40
[[extra.loans]]
lender = "product"
gauge = "service_level"
begin = 0.9
end = 0.8
without_data = false
""",
    )
    queue = folder.site().queues["extra"]
    assert queue.requirement == parse("orders >= 2 and (team:gold or experience >= 3)")
    assert queue.steps == (
        Step(parse("agent:agent02"), 0.0, skip_if_unstaffed=True),
        Step(Held("orders", 3), 20.0),
        Step(after_s=40.0),
    )
    assert (queue.exit_to, queue.exit_after_s) == (Exit(ExitKind.VOICEMAIL), 90.0)
    assert queue.limits == Limits(20, 300.0, unstaffed=True, otherwise=Exit(ExitKind.QUEUE, "product"))
    assert queue.loans == (Loan("product", Gauge.SERVICE_LEVEL, 0.9, 0.8, without_data=False),)
    assert (queue.hours, queue.closing) == ("office", Exit(ExitKind.QUEUE, "product"))
    assert queue.closed_exit == Exit(ExitKind.VOICEMAIL)
    delays_s = (queue.no_answer_delay_s, queue.reject_delay_s, queue.busy_delay_s, queue.fault_delay_s)
    assert delays_s == (1.0, 2.0, 3.0, 4.0)
    assert (queue.ring_several, queue.misses_max, queue.preferred_wait_s) == (3, 2, 12.0)


def test_a_queue_that_says_nothing_of_it_is_as_ever() -> None:
    queue = DEMO_SITE.queues["product"]
    assert queue.steps == (Step(),)
    assert (queue.exit_to, queue.loans, queue.hours, queue.limits) == (None, (), None, Limits())
    assert (queue.ring_several, queue.auto_answer, queue.misses_max) == (1, False, 1)


def test_an_agent_belongs_to_the_queues_they_name_or_to_all() -> None:
    agents = DEMO_SITE.agents
    assert agents["agent01"].queues is None
    assert agents["agent10"].queues == {
        "product": Membership(),
        "orders": Membership(rank=2),
        "activities": Membership(rank=2, delay_s=20.0),
    }
    assert (agents["agent07"].experience, agents["agent07"].team) == (5, "gold")


@pytest.mark.parametrize(
    ("customer_id", "queue", "expected"),
    [
        ("c0009", "orders", ("orders", "standard", "agent04", 15.0)),
        ("c0006", "product", ("vip", "vip_risk", "agent07", 0.0)),
        ("c0001", "product", ("product", "platinum", "agent01", 10.0)),
        ("c0003", "product", ("product", "standard", None, 0.0)),
    ],
    ids=["an open case finds its owner", "at risk", "a preferred agent", "nothing known"],
)
def test_the_demos_rules_decide_by_the_customers_record(
    customer_id: str, queue: str, expected: tuple[str, str, str | None, float]
) -> None:
    customer = DEMO_SITE.customers[customer_id]
    facts = Facts(
        dialed="0800000100",
        queue=queue,
        language=customer.language or "zh-TW",
        value_tier=customer.value_tier,
        customer_id=customer_id,
        segment=customer.segment,
        preferred_agent=customer.preferred_agent,
        last_agent=customer.last_agent,
        case_owner=customer.case_owner,
        open_case=customer.open_case,
        at_risk=customer.at_risk,
    )
    routing = decide(DEMO_SITE.rules, facts)
    found = (routing.queue, routing.value_tier, routing.preferred_agent, routing.preferred_wait_s)
    assert found == expected
    assert len(routing.trace) == len(DEMO_SITE.rules)


def test_a_rule_of_the_demo_asks_for_product_experts_for_business_customers() -> None:
    facts = Facts("0800000100", "product", "en", "platinum", customer_id="c0005", segment="business")
    requires = decide(DEMO_SITE.rules, facts).requires
    able = [agent.agent_id for agent in DEMO_SITE.agents.values() if met(requires, agent)]
    assert able == ["agent01", "agent02", "agent03", "agent07", "agent08"]


# ---- What is refused ----

REFUSED: Mapping[str, tuple[str, str, str, tuple[str, ...]]] = {
    "an unknown skill": (
        "queues.toml",
        'requires = "vip >= 3"',
        'requires = "vop >= 3"',
        ("queues.vip.steps[1].requires: no such skill 'vop'; did you mean 'vip'?",),
    ),
    "an unknown team": (
        "queues.toml",
        'requires = "vip >= 3"',
        'requires = "team:goald"',
        ("queues.vip.steps[1].requires: no such team 'goald'; did you mean 'gold'?",),
    ),
    "an unknown agent": (
        "queues.toml",
        'requires = "vip >= 3"',
        'requires = "agent:agent99"',
        ("queues.vip.steps[1].requires: no such agent 'agent99'; did you mean 'agent09'?",),
    ),
    "an unknown location": (
        "queues.toml",
        'requires = "vip >= 3"',
        'requires = "location:moon"',
        ("queues.vip.steps[1].requires: no such location 'moon'",),
    ),
    "no requirement at all": (
        "queues.toml",
        'requires = "vip >= 3"',
        'requires = "vip >="',
        ("queues.vip.steps[1].requires: it ends where a level from 0 to 100 should be",),
    ),
    "a requirement that nobody meets": (
        "queues.toml",
        'requires = "vip or product >= 4"',
        'requires = "vip and product >= 50"',
        (
            "queues.vip.requires: no agent has the skills to serve it in 'zh-TW'",
            "queues.vip.requires: no agent has the skills to serve it in 'en'",
        ),
    ),
    "a step that nobody meets": (
        "queues.toml",
        'requires = "vip >= 3"',
        'requires = "vip and orders and not product"',
        ("queues.vip.steps[1].requires: no agent can meet it",),
    ),
    "a step that nobody meets in one language, and that is not skipped": (
        "queues.toml",
        'requires = "vip >= 3"\nskip_if_unstaffed = true',
        'requires = "agent:agent03"',
        (
            (
                "queues.vip.steps[1].requires: no agent can meet it in 'en'; "
                "skip_if_unstaffed = true leaves the step at once then"
            ),
        ),
    ),
    "a last step that nobody meets in one language": (
        "queues.toml",
        "after_s = 20",
        'after_s = 20\nrequires = "agent:agent03"\nskip_if_unstaffed = true',
        ("queues.vip.steps[2].requires: no agent can meet it in 'en'",),
    ),
    "steps out of order": (
        "queues.toml",
        "after_s = 20",
        "after_s = 0",
        ("queues.vip.steps[2].after_s: must be later than the step before, which begins after 0 s",),
    ),
    "a first step that does not begin at once": (
        "queues.toml",
        'requires = "vip >= 3"',
        'requires = "vip >= 3"\nafter_s = 5',
        ("queues.vip.steps[1].after_s: is 0 in the first step, which begins as the contact enters",),
    ),
    "an exit before the last step": (
        "queues.toml",
        "after_s = 120",
        "after_s = 20",
        ("queues.vip.exit.after_s: must be later than the last step: steps[2] begins after 20 s and is never reached",),
    ),
    "a way out that is none": (
        "queues.toml",
        'to = "queue:product"',
        'to = "product"',
        ("queues.vip.exit.to: must be queue:ID, callback, voicemail or goodbye, not 'product'",),
    ),
    "a way out to a queue that is not there": (
        "queues.toml",
        'otherwise = "queue:product"',
        'otherwise = "queue:produce"',
        ("queues.orders.limits.otherwise: no such queue 'produce'; did you mean 'product'?",),
    ),
    "an overflow to itself": (
        "queues.toml",
        'to = "queue:product"',
        'to = "queue:vip"',
        ("queues.vip: circular overflow: vip → vip",),
    ),
    "a circular overflow": (
        "queues.toml",
        "needs = { product = 1 }",
        'needs = { product = 1 }\nlimits = { otherwise = "queue:vip" }',
        ("queues.product: circular overflow: product → vip → product",),
    ),
    "several phones that pick up by themselves": (
        "queues.toml",
        "needs = { product = 1 }",
        "needs = { product = 1 }\nring_several = 2\nauto_answer = true",
        ("queues.product.auto_answer: goes with ring_several = 1 only: 2 phones would pick up",),
    ),
    "a loan without hysteresis": (
        "queues.toml",
        "begin = 10\nend = 30",
        "begin = 30\nend = 30",
        ("queues.orders.loans[1].end: must be above begin (30 s): lending ends when the lender's wait grows",),
    ),
    "a loan of its own": (
        "queues.toml",
        'lender = "activities"',
        'lender = "orders"',
        ("queues.orders.loans[1].lender: a queue can't borrow from itself",),
    ),
    "a closed exit without hours": (
        "queues.toml",
        'hours = "always"',
        "",
        ("queues.activities.closed_exit: says nothing without hours",),
    ),
    "an unknown calendar": (
        "queues.toml",
        'hours = "always"',
        'hours = "ever"',
        ("queues.activities.hours: no such calendar 'ever'; did you mean 'never'?",),
    ),
    "an empty team": (
        "site.toml",
        'teams = ["gold", "service"]',
        'teams = ["gold", "service", "night"]',
        ("site.teams: nobody is in team 'night'",),
    ),
    "a skill named like a word of the expressions": (
        "site.toml",
        '"vip", "zh-TW", "en"]',
        '"vip", "zh-TW", "en", "not"]',
        ("site.skills: 'not' is a word of skill expressions; name the skill otherwise",),
    ),
    "an agent in a team that is not there": (
        "agents.toml",
        'team = "gold"',
        'team = "silver"',
        ("agents.agent01.team: no such team 'silver'",),
    ),
    "an agent in a queue that is not there": (
        "agents.toml",
        "orders = { rank = 2 }",
        "ordres = { rank = 2 }",
        ("agents.agent10.queues: no such queue 'ordres'; did you mean 'orders'?",),
    ),
    "tiers in two places": (
        "site.toml",
        "default_value_tier",
        'value_tiers = ["vip"]\ndefault_value_tier',
        ("site.value_tiers: tiers.toml names the tiers; leave this out",),
    ),
    "two tiers with one name": (
        "tiers.toml",
        'name = "growth"',
        'name = "vip"',
        ("tiers.vip: two tiers have this name",),
    ),
    "a negative slope": (
        "tiers.toml",
        "slope = 8",
        "slope = -8",
        ("tiers.vip_risk.slope: must be between 0.001 and 1000, not -8: who waits longer must count for more",),
    ),
    "a slope of nothing": (
        "tiers.toml",
        "slope = 8",
        "slope = 0",
        ("tiers.vip_risk.slope: must be between 0.001 and 1000, not 0: who waits longer must count for more",),
    ),
    "a tier without a bound": (
        "tiers.toml",
        "starvation_s = 1_200",
        "",
        ("tiers.basic.starvation_s: is missing: without a bound the tier could wait for ever behind the others",),
    ),
    "a tier with an infinite bound": (
        "tiers.toml",
        "starvation_s = 1_200",
        "starvation_s = inf",
        (
            (
                "tiers.basic.starvation_s: must be a number, not inf: "
                "without a bound the tier could wait for ever behind the others"
            ),
        ),
    ),
    "a tier that is always overdue": (
        "tiers.toml",
        "starvation_s = 1_200",
        "starvation_s = 0",
        (
            (
                "tiers.basic.starvation_s: must be between 1 and 86400, not 0: "
                "without a bound the tier could wait for ever behind the others"
            ),
        ),
    ),
    "a discipline that is none": (
        "tiers.toml",
        '"accumulating"',
        '"fairly"',
        ("tiers.discipline: must be one of accumulating, target, strict, fifo, lifo, queue_ratio, not 'fairly'",),
    ),
    "a tier that is never admitted": (
        "site.toml",
        "trunks = 200",
        "trunks = 4",
        (
            "tiers.standard.trunk_reserve: keeps 4 of 4 trunks free of this tier: it would never be admitted",
            "tiers.basic.trunk_reserve: keeps 4 of 4 trunks free of this tier: it would never be admitted",
        ),
    ),
    "a rule for a tier that is not there": (
        "rules.toml",
        'value_tier = "vip_risk"',
        'value_tier = "vip_rsk"',
        ("rules.可能流失的貴賓 VIP at risk.then.value_tier: no such value tier 'vip_rsk'; did you mean 'vip_risk'?",),
    ),
    "a rule that asks for what is not known": (
        "rules.toml",
        "at_risk = true,",
        "at_rist = true,",
        ("rules.可能流失的貴賓 VIP at risk.when.at_rist: unknown key; did you mean 'at_risk'?",),
    ),
    "a rule that does nothing": (
        "rules.toml",
        'then = { prefer = "preferred_agent", prefer_s = 10 }',
        "then = {}",
        ("rules.專屬客服 preferred agent.then: does nothing; give it queue, value_tier, requires, prefer or stop",),
    ),
    "a wait for nobody": (
        "rules.toml",
        'prefer = "preferred_agent", ',
        "stop = true, ",
        ("rules.專屬客服 preferred agent.then.prefer_s: needs prefer: who is waited for?",),
    ),
    "a rule that prefers nobody we know": (
        "rules.toml",
        '"preferred_agent"',
        '"agent:agent99"',
        ("rules.專屬客服 preferred agent.then.prefer: no such agent 'agent99'; did you mean 'agent09'?",),
    ),
    "a rule whose requirement nobody meets where it holds": (
        "rules.toml",
        'requires = "product >= 3"',
        'requires = "agent:agent03"',
        (
            (
                "rules.企業客戶找資深人員 business to product experts.then.requires: "
                "nobody can serve it in queue 'product' in 'en'"
            ),
        ),
    ),
    "two rules with one name": (
        "rules.toml",
        'name = "專屬客服 preferred agent"',
        'name = "未結案件找承辦人 open case to its owner"',
        ("rules.未結案件找承辦人 open case to its owner: two rules have this name",),
    ),
    "an owner of a case that is not open": (
        "customers.toml",
        'case_owner = "agent04"',
        'open_case = false\ncase_owner = "agent04"',
        ("customers.c0009.case_owner: owns an open case, but open_case is false",),
    ),
    "a segment that is not there": (
        "customers.toml",
        'segment = "business"',
        'segment = "busyness"',
        ("customers.c0005.segment: no such segment 'busyness'; did you mean 'business'?",),
    ),
}


@pytest.mark.parametrize(("name", "old", "new", "expected"), REFUSED.values(), ids=REFUSED)
def test_a_site_is_refused_with_the_path_and_the_reason(
    folder: Folder, name: str, old: str, new: str, expected: tuple[str, ...]
) -> None:
    assert folder.replace(name, old, new).mistakes() == expected


def test_a_queue_for_everybody_must_say_so(folder: Folder) -> None:
    folder.add("queues.toml", "[extra]\nring_s = 10")
    assert folder.mistakes() == (
        'queues.extra: needs one of needs and requires; requires = "anyone" lets all serve it',
    )


def test_a_list_that_is_no_list_of_tables_is_a_mistake_not_a_traceback(folder: Folder) -> None:
    folder.add("queues.toml", QUEUE + 'steps = "quick"\nloans = [1]\nexit = "voicemail"\nclosing = 3')
    assert folder.mistakes() == (
        "queues.extra.steps: must be a list of tables ([[…]]), not 'quick'",
        "queues.extra.exit: must be a table, not 'voicemail'",
        "queues.extra.exit.to: is missing",
        "queues.extra.exit.after_s: is missing",
        "queues.extra.loans[1]: must be a table, not 1",
        "queues.extra.loans[1].lender: is missing",
        "queues.extra.closing: must be a non-empty text, not 3",
        "queues.extra.closing: says nothing without hours",
    )


# ---- What is wondered about ----

WONDERED: Mapping[str, tuple[str, str, str]] = {
    "a step that adds nobody": (
        "[extra]\nneeds = { orders = 1 }\n[[extra.steps]]\n[[extra.steps]]\nafter_s = 20\nrequires = 'orders >= 2'",
        "queues.toml",
        "queues.extra.steps[2]: nobody may serve who could not before",
    ),
    "a skip that leads nowhere": (
        "[extra]\nneeds = { orders = 1 }\n[[extra.steps]]\nskip_if_unstaffed = true",
        "queues.toml",
        "queues.extra.steps[1].skip_if_unstaffed: is never skipped: the last step has no exit",
    ),
    "a loan of nobody": (
        (
            "[extra]\nrequires = 'agent:agent01 or agent:agent02'\n[[extra.loans]]\nlender = 'nine'\n"
            "[nine]\nrequires = 'agent:agent08'"
        ),
        "queues.toml",
        "queues.extra.loans[1].lender: nobody of 'nine' meets what 'extra' requires",
    ),
    "a member who can't serve": (
        "[agent11]\nname = 'x'\nskills = { en = 3 }\nqueues = { vip = {} }",
        "agents.toml",
        "agents.agent11.queues.vip: meets none of its steps",
    ),
    "a queue whose calendar is closed now": (
        "[extra]\nneeds = { orders = 1 }\nhours = 'never'",
        "queues.toml",
        "queues.extra.hours: calendar 'never' is closed now, whatever its hours say",
    ),
    "an overflow chain of which no queue is open": (
        (
            "[extra]\nneeds = { orders = 1 }\nhours = 'office'\nclosed_exit = 'queue:night'\n"
            "[night]\nneeds = { orders = 1 }\nhours = 'evening'"
        ),
        "queues.toml",
        (
            "queues.extra.closed_exit: leads to 'night', which is closed at mon-fri 00:00-09:00 and 12:30-13:30, "
            "sat-sun 00:00-18:00"
        ),
    ),
    "an exit to a queue that is closed at the time": (
        (
            "[extra]\nneeds = { orders = 1 }\nexit = { to = 'queue:night', after_s = 60 }\n"
            "[night]\nneeds = { orders = 1 }\nhours = 'evening'"
        ),
        "queues.toml",
        "queues.extra.exit: leads to 'night', which is closed at mon-sun 00:00-18:00",
    ),
    "a rule after the last": (
        '[[rule]]\nname = "all"\nthen = { stop = true }\n[[rule]]\nname = "late"\nthen = { queue = "vip" }',
        "rules.toml",
        "rules.late: is never looked at: 'all' holds for every contact and stops",
    ),
    "a lower tier that gains on a higher one": (
        '[[tier]]\nname = "last"\nslope = 9\nstarvation_s = 600',
        "tiers.toml",
        "tiers.last: gains on 'basic', which ranks above it, the longer both wait",
    ),
    "experience that nobody has": (
        '[[tier]]\nname = "last"\nstarvation_s = 600\nexperience = 90\nspill_s = 30',
        "tiers.toml",
        "tiers.last.experience: no agent has 90; it waits 30 s for nobody",
    ),
}


@pytest.mark.parametrize(("added", "name", "warning"), WONDERED.values(), ids=WONDERED)
def test_what_works_but_is_hardly_meant_is_a_warning(folder: Folder, added: str, name: str, warning: str) -> None:
    folder.add("calendars.toml", '[evening]\ndaily = ["18:00-24:00"]')
    assert folder.add(name, added).site().warnings == (warning,)


def test_the_hours_of_two_zones_are_compared_as_the_site_sees_them(folder: Folder) -> None:
    folder.add("calendars.toml", '[london]\ntime_zone = "Europe/London"\ndaily = ["00:00-16:00"]')
    folder.add(
        "queues.toml",
        "[extra]\nneeds = { orders = 1 }\nexit = { to = 'queue:away', after_s = 60 }\n"
        "[away]\nneeds = { orders = 1 }\nhours = 'london'",
    )
    (warning,) = folder.site().warnings
    assert warning == "queues.extra.exit: leads to 'away', which is closed at mon-sun 00:00-08:00"
