"""flow check, flow test, flow show: an IVR flow proved, rehearsed and drawn, before a caller meets it."""

import asyncio
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.output import Exit, err, out, say_json
from callcenter.clock import AnchoredClock
from callcenter.config.settings import load_settings
from callcenter.config.site import Site, SiteError, load_site
from callcenter.errors import CallCenterError
from ivr.check import Surroundings, check
from ivr.coverage import Coverage, coverage
from ivr.drawing import as_data, mermaid
from ivr.model import Flow
from ivr.parse import FlowError, parse
from ivr.rehearsal import Played, play
from ivr.script import Conversation, Script, parse_script
from ivr.sub_flows import link
from ivr.turn import Facts

DRAFT = "draft"
DAYS = 7

flow_cli = typer.Typer(help="IVR flows: check, test, draw; draft, publish, roll back.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="A flow (TOML).")]
InSite = Annotated[
    Path | None, typer.Option("--site", help="The site's folder; without it the nearest above FILE with a site.toml.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


class FileError(CallCenterError):
    """A file can't be used; `mistakes` are all of them."""

    def __init__(self, file: Path, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join((f"{file}:", *(f"  {mistake}" for mistake in mistakes))))
        self.mistakes = tuple(mistakes)


@flow_cli.command("check", epilog="Example: callcenter flow check drafts/main.toml --site sites/mine")
def check_command(file: File, site: InSite = None, as_json: AsJson = False) -> None:
    """Check a flow, a draft or one in use, against its site, and say every mistake at once; exit 1 if there are any."""
    mistakes: tuple[str, ...] = ()
    try:
        _flow(file, _site(file, site))
    except FileError as error:
        mistakes = error.mistakes
    except SiteError as error:
        mistakes = _of_flow(file.stem, error)
    if as_json:
        say_json({"file": str(file), "valid": not mistakes, "mistakes": list(mistakes)})
    elif mistakes:
        out().print("\n".join(mistakes), markup=False)
    else:
        out().print(f"{file}: no mistakes", markup=False)
    raise typer.Exit(Exit.FINDING if mistakes else Exit.OK)


@flow_cli.command("show", epilog="Example: callcenter flow show sites/mine/flows/main.toml --counts --from 2026-11-01")
def show_command(
    file: File,
    counts: Annotated[bool, typer.Option("--counts", help="With how often callers went which way.")] = False,
    start: Annotated[str | None, typer.Option("--from", help="ISO 8601, else UTC; left out, the last 7 days.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Not included; left out, now.")] = None,
    version: Annotated[str | None, typer.Option(help="Only visits in this version.")] = None,
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="Draw it in Mermaid's language (the default).")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a flow: its nodes and the ways between them; with --counts, how often they were taken."""
    if as_mermaid and as_json:
        raise typer.BadParameter("--mermaid draws for people, --json for programs: choose one")
    try:
        flow = parse(_read(file), file.stem, DRAFT)
    except FlowError as error:
        raise FileError(file, error.mistakes) from error
    unknown = sorted({flow.start, *([flow.agent_node] if flow.agent_node else [])} - flow.nodes.keys())
    dangling = [f"no such node {node_id!r}" for node_id in unknown] or _dangling(flow)
    if dangling:
        raise FileError(file, dangling)
    if counts:
        raise typer.Exit(_draw_counts(flow, start, end, version, as_json=as_json))
    if start or end or version:
        raise typer.BadParameter("--from, --to and --version are for --counts")
    if as_json:
        say_json(as_data(flow))
    else:
        out().print(mermaid(flow), markup=False, end="")


def _draw_counts(flow: Flow, start: str | None, end: str | None, version: str | None, *, as_json: bool) -> Exit:
    from api.cli import flow_traffic  # noqa: PLC0415 - heavy, see the head of main

    try:
        until = datetime.fromisoformat(end) if end else datetime.fromtimestamp(AnchoredClock().now(), UTC)
        since = datetime.fromisoformat(start) if start else until - timedelta(days=DAYS)
    except ValueError as error:
        raise typer.BadParameter(f"--from and --to: {error}; write 2026-11-20 or 2026-11-20T09:30") from error
    since, until = (at if at.tzinfo else at.replace(tzinfo=UTC) for at in (since, until))
    return asyncio.run(flow_traffic.draw(load_settings(), flow, flow_traffic.Asked(since, until, version, as_json)))


@flow_cli.command("test", epilog="Example: callcenter flow test sites/mine/flows/tests/main.toml --ways-min 100")
def rehearse_command(
    file: Annotated[Path, typer.Argument(help="A script of conversations (TOML).")],
    site: InSite = None,
    flow: Annotated[Path | None, typer.Option(help="A draft to test instead of the site's flow of that name.")] = None,
    ways_min: Annotated[float, typer.Option(min=0, max=100, help="Fail if fewer percent of the ways are walked.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Play scripted conversations against a flow in virtual time; exit 1 if one goes otherwise than written."""
    whole = _site(file, site)
    script = _script(file, whole)
    if flow is None and script.flow not in whole.flows:
        raise FileError(file, [f"flow: the site has no flow {script.flow!r}; there are {', '.join(whole.flows)}"])
    tested = whole.flows[script.flow] if flow is None else _flow(flow, whole)
    wrong = [f"conversation[{n}].{m}" for n, each in enumerate(script.conversations, 1) for m in _unknown(each, whole)]
    if wrong:
        raise FileError(file, wrong)
    played = [play(tested, each, facts_of(each, whole)) for each in script.conversations]
    walked = coverage(tested, (each.notes for each in played))
    share = 100.0 * walked.ways_walked / max(1, walked.ways)
    passed = not any(each.mistakes for each in played) and share >= ways_min
    if as_json:
        say_json(_as_json(script, played, walked, passed=passed))
    else:
        _tell(played, walked, share, ways_min)
    raise typer.Exit(Exit.OK if passed else Exit.FINDING)


# Reading


def _site(file: Path, chosen: Path | None) -> Site:
    if chosen is None:
        chosen = next((folder for folder in file.resolve().parents if (folder / "site.toml").is_file()), None)
    if chosen is None:
        raise FileError(file, ["lies in no site (no site.toml in a folder above); say which with --site DIR"])
    return load_site(chosen)


def _flow(file: Path, site: Site) -> Flow:
    """The flow in a file, checked as if it were the site's; raises FileError with every mistake."""
    try:
        flow = parse(_read(file), file.stem, DRAFT)
    except FlowError as error:
        raise FileError(file, error.mistakes) from error
    flows = {**site.flows, flow.id: flow}
    names = (site.languages, site.value_tiers, site.queues, site.calendars, site.prompts)
    around = Surroundings(*names, flows, agents=site.agents)
    mistakes = check(flow, around)
    if mistakes:
        raise FileError(file, mistakes)
    return link(flows)[flow.id]


def _script(file: Path, site: Site) -> Script:
    script, mistakes = parse_script(_read(file), site.zone)
    if mistakes:
        raise FileError(file, mistakes)
    return script


def _read(file: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FileError(file, [str(error) or "is nested too deeply"]) from error


def _of_flow(flow_id: str, error: SiteError) -> tuple[str, ...]:
    """The mistakes of one flow in a site that has some, and how many others there are."""
    start = f"flows.{flow_id}."
    own = [mistake.removeprefix(start) for mistake in error.mistakes if mistake.startswith(start)]
    others = len(error.mistakes) - len(own)
    return (*own, *([f"the site has {others} other mistakes; see callcenter check-site"] if others else []))


def _dangling(flow: Flow) -> list[str]:
    nowhere = Surroundings(None, None, None, None, {}, {})
    return [mistake for mistake in check(flow, nowhere) if "no such node" in mistake]


def _unknown(conversation: Conversation, site: Site) -> list[str]:
    """What the site does not have: a caller like this, a calendar."""
    caller, found = conversation.caller, []
    if caller.value_tier is not None and caller.value_tier not in site.value_tiers:
        found.append(f"caller.value_tier: no such value tier {caller.value_tier!r}")
    if caller.language is not None and caller.language not in site.languages:
        found.append(f"caller.language: no such language {caller.language!r}")
    unknown = [calendar for calendar in conversation.closed_now if calendar not in site.calendars]
    return [*found, *(f"closed_now: no such calendar {calendar!r}" for calendar in unknown)]


def facts_of(conversation: Conversation, site: Site) -> Facts:
    """What the flow knows of the conversation's caller."""
    caller = conversation.caller
    return Facts(
        language=caller.language or site.default_language,
        value_tier=caller.value_tier or site.default_value_tier,
        known=caller.known,
        calendars={
            name: replace(calendar, closed_now=calendar.closed_now or name in conversation.closed_now)
            for name, calendar in site.calendars.items()
        },
        variables=conversation.given,
        open_case=caller.open_case,
        at_risk=caller.at_risk,
        zone=site.zone,
        customer_id=caller.customer_id,
        verified=caller.verified,
    )


# Telling


def _tell(played: Sequence[Played], walked: Coverage, share: float, ways_min: float) -> None:
    for each in played:
        out().print(f"{'FAIL' if each.mistakes else 'ok  '} {each.name}", markup=False)
        for mistake in each.mistakes:
            out().print(f"     {mistake}", markup=False)
    failed = sum(bool(each.mistakes) for each in played)
    out().print(
        f"{len(played)} conversations, {failed} failed; walked {walked.nodes_walked} of {walked.nodes} nodes"
        f" and {walked.ways_walked} of {walked.ways} ways ({share:.0f} %)",
        markup=False,
    )
    for kind, missed in (("node", walked.nodes_missed), ("way", walked.ways_missed)):
        for place in missed:
            out().print(f"  never walked: {kind} {place}", markup=False)
    if share < ways_min:
        err().print(f"callcenter: {share:.0f} % of the ways is less than the {ways_min:g} % asked for", markup=False)


def _as_json(script: Script, played: Sequence[Played], walked: Coverage, *, passed: bool) -> dict[str, Any]:
    return {
        "flow": script.flow,
        "passed": passed,
        "conversations": [{"name": each.name, "mistakes": list(each.mistakes)} for each in played],
        "coverage": {
            "nodes": walked.nodes,
            "nodes_walked": walked.nodes_walked,
            "nodes_missed": list(walked.nodes_missed),
            "ways": walked.ways,
            "ways_walked": walked.ways_walked,
            "ways_missed": list(walked.ways_missed),
        },
    }
