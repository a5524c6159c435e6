"""flow check, flow test, flow show: an IVR flow proved, rehearsed and drawn, before a caller meets it."""

import asyncio
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from api.cli.instants import by_the_site, span
from api.cli.output import Exit, out, say_json
from callcenter.clock import AnchoredClock
from callcenter.config.settings import load_settings
from callcenter.config.site import Site, SiteError, load_site
from callcenter.errors import CallCenterError
from ivr.check import Surroundings, check
from ivr.drawing import as_data, mermaid
from ivr.model import Flow
from ivr.parse import FlowError, parse
from ivr.script import Script, parse_script
from ivr.sub_flows import link

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
        flow_in(file, site_of(file, site))
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
    start: Annotated[str | None, typer.Option("--from", help="ISO 8601; without a zone, by the site's clock.")] = None,
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

    settings = load_settings()
    since, until = span(start, end)
    until = by_the_site(until, settings) if until else datetime.fromtimestamp(AnchoredClock().now(), UTC)
    since = by_the_site(since, settings) if since else until - timedelta(days=DAYS)
    return asyncio.run(flow_traffic.draw(settings, flow, flow_traffic.Asked(since, until, version, as_json)))


# Reading


def site_of(file: Path, chosen: Path | None) -> Site:
    """The site that a file lies in, or the one that was chosen. Raises FileError and SiteError."""
    if chosen is None:
        chosen = next((folder for folder in file.resolve().parents if (folder / "site.toml").is_file()), None)
    if chosen is None:
        raise FileError(file, ["lies in no site (no site.toml in a folder above); say which with --site DIR"])
    return load_site(chosen)


def flow_in(file: Path, site: Site) -> Flow:
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


def script_in(file: Path, site: Site) -> Script:
    """The script in a file; raises FileError with every mistake."""
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
