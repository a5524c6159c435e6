"""A site's folder becomes one frozen, checked Site, or a SiteError that says everything that is wrong at once."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from callcenter.config import sections
from callcenter.config.folder import Folder, read_folder, read_prompts
from callcenter.config.model import Agent, Customer, Hotline, Queue, Site, SiteError
from callcenter.config.numbers import e164
from ivr.check import Surroundings, check, check_references
from ivr.model import Flow
from ivr.parse import FlowError, parse
from ivr.prompts import SYSTEM_PROMPTS
from ivr.reading import Reader, no_such

__all__ = ["Agent", "Customer", "Hotline", "Queue", "Site", "SiteError", "load_site"]

_Thing = TypeVar("_Thing")


def load_site(path: Path) -> Site:
    """The site in the folder `path`; raises SiteError with every mistake, each with its path."""
    if not path.is_dir():
        raise SiteError(path, (f"{path}: no such folder; CALLCENTER_SITE names the site's folder",))
    folder = read_folder(path)
    head = sections.read_head(folder.reader("site"))
    read_prompts(folder, head.languages)
    site = _assemble(folder, head, _names(folder, head))
    if folder.mistakes:
        raise SiteError(path, tuple(folder.mistakes))
    return site


def _names(folder: Folder, head: sections.Head) -> sections.Names:
    return sections.Names(
        languages=head.languages or None,
        skills=head.skills or None,
        value_tiers=head.value_tiers or None,
        hotlines=folder.names("hotlines"),
        queues=folder.names("queues"),
        agents=folder.names("agents"),
        calendars=folder.names("calendars"),
        flows=folder.flows.keys(),
        prompts=folder.prompts,
    )


def _assemble(folder: Folder, head: sections.Head, names: sections.Names) -> Site:
    """The site; not to be used if mistakes were found."""
    sections.check_head(head, names, folder.mistakes)
    hotlines = _each(folder, "hotlines", lambda r, name: sections.read_hotline(r, name, head, names))
    queues = _each(folder, "queues", lambda r, name: sections.read_queue(r, name, head, names))
    agents = _each(folder, "agents", lambda r, name: sections.read_agent(r, name, names))
    calendars = _each(folder, "calendars", lambda r, name: sections.read_calendar(r, name, head.zone))
    customers = _each(folder, "customers", lambda r, name: sections.read_customer(r, name, head, names))
    folder.mistakes += _same_numbers(hotlines, customers, head.region)
    if not any(mistake.startswith(("site", "queues", "agents")) for mistake in folder.mistakes):
        folder.mistakes += sections.uncovered(queues, agents, head.languages)
    flows = _flows(folder, names)
    _system_prompts(folder)
    return Site(
        folder=folder.path,
        digest=folder.digest,
        name=head.name,
        region=head.region,
        zone=head.zone,
        languages=head.languages,
        default_language=head.default_language,
        skills=head.skills,
        value_tiers=head.value_tiers,
        default_value_tier=head.default_value_tier,
        emergency_agents=head.emergency_agents,
        default_hotline=head.default_hotline,
        hotlines=hotlines,
        queues=queues,
        agents=agents,
        customers=customers,
        calendars=calendars,
        flows=flows,
        prompts=folder.prompts,
        dialed_e164={number: dialed for dialed in hotlines if (number := e164(dialed, head.region))},
    )


def _each(folder: Folder, stem: str, read: Callable[[Reader, str], _Thing]) -> dict[str, _Thing]:
    """Every table of a file, read."""
    return {name: read(table, name) for name, table in folder.reader(stem).tables()}


def _flows(folder: Folder, names: sections.Names) -> dict[str, Flow]:
    """Every flow, parsed and checked against what the site has."""
    around = Surroundings(names.languages, names.value_tiers, names.queues, names.calendars, names.prompts)
    flows: dict[str, Flow] = {}
    for flow_id, table in folder.flows.items():
        if not sections.ID.fullmatch(flow_id):
            folder.mistakes.append(f"flows/{flow_id}.toml: can't be a flow's name; use letters, digits, - and _")
        if table is None:
            continue
        try:
            flow = parse(table, flow_id, folder.versions[flow_id])
        except FlowError as error:
            found = (*error.mistakes, *check_references(error.readable, around, error.declared))
        else:
            flows[flow_id] = flow
            found = check(flow, around)
        folder.mistakes += [f"flows.{flow_id}.{mistake}" for mistake in found]
    return flows


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
