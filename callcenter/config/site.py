"""A site's folder becomes one frozen, checked Site, or a SiteError that says everything that is wrong at once."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from callcenter.config import calling, fields, head, people, queues, rules, soundness
from callcenter.config.folder import Folder, read_folder, read_prompts
from callcenter.config.model import Agent, Customer, Hotline, Queue, Site, SiteError
from callcenter.config.numbers import e164
from ivr.check import Surroundings, check, check_references, check_roots
from ivr.model import Flow
from ivr.parse import FlowError, parse
from ivr.prompts import SYSTEM_PROMPTS
from ivr.reading import Reader, no_such
from ivr.sub_flows import link
from routing.policy import TierPolicy

__all__ = ["Agent", "Customer", "Hotline", "Queue", "Site", "SiteError", "load_site"]

# What the cross-checks rest on: while one of these has a mistake, what follows from it is not said.
_FOUNDATIONS = ("site", "tiers", "queues", "agents", "calendars", "rules")

_Thing = TypeVar("_Thing")


def load_site(path: Path) -> Site:
    """The site in the folder `path`, with its warnings; raises SiteError with every mistake, each with its path."""
    if not path.is_dir():
        raise SiteError(path, (f"{path}: no such folder; CALLCENTER_SITE names the site's folder",))
    folder = read_folder(path)
    top = head.read_head(folder)
    read_prompts(folder, top.languages)
    site = _assemble(folder, top, _names(folder, top))
    if folder.mistakes:
        raise SiteError(path, tuple(folder.mistakes), site.warnings)
    return site


def _names(folder: Folder, top: head.Head) -> fields.Names:
    readable = folder.tables.get("site") is not None
    return fields.Names(
        languages=top.languages or None,
        skills=top.skills or None,
        value_tiers=top.value_tiers,
        teams=top.teams if readable else None,
        locations=top.locations if readable else None,
        segments=top.segments if readable else None,
        hotlines=folder.names("hotlines"),
        queues=folder.names("queues"),
        agents=folder.names("agents"),
        calendars=folder.names("calendars"),
        flows=folder.flows.keys(),
        prompts=folder.prompts,
    )


def _assemble(folder: Folder, top: head.Head, names: fields.Names) -> Site:
    """The site; not to be used if mistakes were found."""
    head.check_head(top, names, folder)
    hotlines = _each(folder, "hotlines", lambda r, name: queues.read_hotline(r, name, top, names))
    lines = _each(folder, "queues", lambda r, name: queues.read_queue(r, name, top, names))
    agents = _each(folder, "agents", lambda r, name: people.read_agent(r, name, names))
    calendars = _each(folder, "calendars", lambda r, name: queues.read_calendar(r, name, top.zone))
    customers = _each(folder, "customers", lambda r, name: people.read_customer(r, name, top, names))
    ordered = rules.read_rules(folder.reader("rules"), names)
    folder.mistakes += _same_numbers(hotlines, customers, top.region)
    whole = soundness.Whole(top.zone, top.languages, top.teams, top.locations, lines, agents, calendars, ordered)
    warnings = _judge(folder, top, whole)
    flows = _flows(folder, names, hotlines)
    if folder.tables.get("site") is not None:
        folder.mistakes += calling.mistakes(lines, flows, top.dial_out)
    _system_prompts(folder)
    return Site(
        folder=folder.path,
        digest=folder.digest,
        name=top.name,
        region=top.region,
        zone=top.zone,
        languages=top.languages,
        default_language=top.default_language,
        skills=top.skills,
        policy=top.policy or TierPolicy(),
        default_value_tier=top.default_value_tier,
        emergency_agents=top.emergency_agents,
        default_hotline=top.default_hotline,
        hotlines=hotlines,
        queues=lines,
        agents=agents,
        customers=customers,
        calendars=calendars,
        flows=flows,
        prompts=folder.prompts,
        dialed_e164={number: dialed for dialed in hotlines if (number := e164(dialed, top.region))},
        rules=ordered,
        trunks=top.trunks,
        outbound_counts=top.outbound_counts,
        comeback_s=top.comeback_s,
        closed_prompts=top.closed_prompts,
        callback_prompts=top.callback_prompts,
        called_back_prompts=top.called_back_prompts,
        dial_out=top.dial_out,
        warnings=warnings,
    )


def _judge(folder: Folder, top: head.Head, whole: soundness.Whole) -> tuple[str, ...]:
    """The checks across files: their mistakes go to the folder; the warnings, which only a sound site has."""
    if any(mistake.startswith(_FOUNDATIONS) for mistake in folder.mistakes) or top.policy is None:
        return ()
    found = soundness.mistakes(whole)
    folder.mistakes += found
    if found:
        return ()
    experiences = {agent.experience for agent in whole.agents.values()}
    return (*head.tier_warnings(top.policy, experiences, top.trunks), *soundness.warnings(whole))


def _each(folder: Folder, stem: str, read: Callable[[Reader, str], _Thing]) -> dict[str, _Thing]:
    """Every table of a file, read."""
    return {name: read(table, name) for name, table in folder.reader(stem).tables()}


def _flows(folder: Folder, names: fields.Names, hotlines: Mapping[str, Hotline]) -> dict[str, Flow]:
    """Every flow, parsed, checked against what the site has, and with its sub-flows inside."""
    flows: dict[str, Flow] = {}
    refused: dict[str, FlowError] = {}
    for flow_id, table in folder.flows.items():
        if not fields.ID.fullmatch(flow_id):
            folder.mistakes.append(f"flows/{flow_id}.toml: can't be a flow's name; use letters, digits, - and _")
        if table is None:
            continue
        try:
            flows[flow_id] = parse(table, flow_id, folder.versions[flow_id])
        except FlowError as error:
            refused[flow_id] = error
    unread = folder.flows.keys() - flows.keys()
    around = Surroundings(
        names.languages, names.value_tiers, names.queues, names.calendars, names.prompts, flows, unread, names.agents
    )
    before = len(folder.mistakes)
    for flow_id in folder.flows:
        found: tuple[str, ...] = ()
        if flow_id in flows:
            found = check(flows[flow_id], around)
        elif flow_id in refused:
            known = refused[flow_id]
            found = (*known.mistakes, *check_references(known.readable, around, known.declared))
        folder.mistakes += [f"flows.{flow_id}.{mistake}" for mistake in found]
    roots = {f"hotlines.{dialed}.flow": hotline.flow for dialed, hotline in hotlines.items() if hotline.flow}
    folder.mistakes += check_roots(flows, roots)
    return flows if unread or len(folder.mistakes) > before else link(flows)


def _system_prompts(folder: Folder) -> None:
    """The dialplan's own prompts must be there in every language."""
    for language, there in folder.prompts.items():
        for prompt in SYSTEM_PROMPTS:
            if prompt not in there:
                folder.mistakes.append(f"prompts/{language}: {no_such('prompt', prompt, there)}; the dialplan says it")


def _same_numbers(hotlines: Mapping[str, Hotline], customers: Mapping[str, Customer], region: str) -> list[str]:
    """One number, two hotlines or two customers."""
    mistakes: list[str] = []
    dialed: dict[str, str] = {}
    for name in hotlines:
        first = dialed.setdefault(e164(name, region) or name, name)
        if first != name:
            mistakes.append(f"hotlines.{name}: is the same number as hotlines.{first}")
    phones: dict[str, str] = {}
    for name, customer in customers.items():
        first = phones.setdefault(customer.phone or name, name)
        if first != name:
            mistakes.append(f"customers.{name}.phone: is also the phone of customers.{first}")
    return mistakes
