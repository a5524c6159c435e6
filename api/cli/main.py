"""The command line's words: every command, its options and examples; the work is done in the modules beside.

Commands that need SQLAlchemy or FastAPI import their module when they run: `doctor` and `--help` answer at once.
"""

import asyncio
import gc
import json
import sys
from collections.abc import Callable, Coroutine
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from api.cli import credentials, customers, doctor, flow_new, pins, prompts, sites, tokens, upkeep
from api.cli.instants import instant
from api.cli.output import Exit, err, exit_code_of
from callcenter.config.settings import Settings, load_settings
from callcenter.errors import CallCenterError

EPILOGUE = "Exit codes: 0 done; 1 a finding or mistake; 2 wrong usage; 3 a prerequisite is missing; 4 out of reach."

cli = typer.Typer(
    name="callcenter",
    help="A contact center beside Asterisk. Settings come from CALLCENTER_* variables; see docs/cli.md.",
    epilog=EPILOGUE,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
agents_cli = typer.Typer(help="Agents of the site.", no_args_is_help=True)
events_cli = typer.Typer(help="What we remember of contacts and agents.", no_args_is_help=True)
db_cli = typer.Typer(help="The database.", no_args_is_help=True)
site_cli = typer.Typer(help="The site of the running service.", no_args_is_help=True)
for name, noun in (
    ("token", tokens.token_cli),
    ("agents", agents_cli),
    ("events", events_cli),
    ("db", db_cli),
    ("site", site_cli),
    ("journal", upkeep.journal_cli),
    ("audit", upkeep.audit_cli),
    ("flow", flow_new.flow_cli),
    ("prompt", prompts.prompt_cli),
    ("pin", pins.pin_cli),
    ("customers", customers.customers_cli),
):
    cli.add_typer(noun, name=name)

AccessToken = Annotated[
    str, typer.Option("--token", envvar="CALLCENTER_TOKEN", help="A token of role admin (to look: supervisor).")
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


@cli.command(epilog="Example: CALLCENTER_SIP_PORT=5070 callcenter run")
def run(
    take_over: Annotated[
        bool, typer.Option("--take-over", help="From the service that runs now, without a gap; see 'restart'.")
    ] = False,
) -> None:
    """Run the call center in the foreground until Ctrl-C: Asterisk, PostgreSQL, the service and its API."""
    gc.disable()  # until it serves
    from api.cli import running  # noqa: PLC0415 - heavy, see the head of this file

    raise typer.Exit(running.run(load_settings(), take_over=take_over))


@cli.command(epilog="Example: callcenter drain --within 600")
def drain(
    within: Annotated[float | None, typer.Option(min=0, help="Seconds until who waits goes to the fallback.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take no new contacts, let those inside finish, then end the service; Ctrl-C takes it back.

    Exit 1 if somebody still talked when time was up: their calls go on, and the next start takes them up.
    """
    from api.cli import drain as draining  # noqa: PLC0415 - heavy, see the head of this file

    _await(lambda settings: draining.drain(settings, within, as_json=as_json))


@cli.command(epilog="Example: callcenter restart")
def restart() -> None:
    """Put a new process in the place of the running service: no call, no event and no request is lost.

    Under systemd the service starts it; without a supervisor, this command is the new service, until Ctrl-C.
    """
    gc.disable()  # until it serves
    from api.cli import restart as restarting  # noqa: PLC0415 - heavy, see the head of this file

    raise typer.Exit(restarting.restart(load_settings()))


@cli.command(epilog="Example: callcenter guard --no-start")
def guard(
    rescue_after: Annotated[float, typer.Option(min=5, help="Seconds of silence until who waits is rescued.")] = 15.0,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start a dead service; no: systemd does.")] = True,
) -> None:
    """Watch the running service: if it stays silent, send who waits to the fallback dialplan, and start it again."""
    from api.cli import guard as guarding  # noqa: PLC0415 - heavy, see the head of this file

    raise typer.Exit(guarding.run(load_settings(), rescue_s=rescue_after, start=start))


@cli.command(name="doctor", epilog="Example: callcenter doctor --json")
def doctor_command(as_json: AsJson = False) -> None:
    """Look for each missing prerequisite and say its cause and the exact fix; exit 3 if something is missing."""
    raise typer.Exit(doctor.report(as_json=as_json))


@cli.command(name="check-site", epilog="Example: callcenter check-site sites/mine")
def check_site(
    folder: Annotated[Path, typer.Argument(help="The site's folder, with site.toml in it.")], as_json: AsJson = False
) -> None:
    """Check a site and say every mistake at once, each with its path; exit 1 if there are any."""
    raise typer.Exit(sites.check(folder, as_json=as_json))


@site_cli.command("show", epilog="Example: callcenter site show --json")
def site_show(token: AccessToken, as_json: AsJson = False) -> None:
    """Show the site in use: its digest, tiers, queues, rules and what is odd about it."""
    from api.cli import live_site  # noqa: PLC0415 - heavy, see the head of this file

    _await(lambda settings: live_site.show(settings, token, as_json=as_json))


@site_cli.command("apply", epilog="Example: callcenter site apply --token $TOKEN")
def site_apply(token: AccessToken, as_json: AsJson = False) -> None:
    """Check the site's folder and take it into use, without a restart; exit 1 with every mistake, and no change."""
    from api.cli import live_site  # noqa: PLC0415 - heavy, see the head of this file

    _await(lambda settings: live_site.apply(settings, token, as_json=as_json))


@site_cli.command("history", epilog="Example: callcenter site history")
def site_history(token: AccessToken, as_json: AsJson = False) -> None:
    """List the last 50 changes of the site, newest first."""
    from api.cli import live_site  # noqa: PLC0415 - heavy, see the head of this file

    _await(lambda settings: live_site.history(settings, token, as_json=as_json))


@site_cli.command("rollback", epilog="Example: callcenter site rollback 3f9a0c12de45ab67")
def site_rollback(
    token: AccessToken,
    digest: Annotated[str | None, typer.Argument(help="A digest of the history; left out, the site before.")] = None,
    as_json: AsJson = False,
) -> None:
    """Take a former site into use again, without a restart; the folder stays as it is."""
    from api.cli import live_site  # noqa: PLC0415 - heavy, see the head of this file

    _await(lambda settings: live_site.roll_back(settings, token, digest, as_json=as_json))


@agents_cli.command("credentials", epilog="Example: callcenter agents credentials agent01")
def agents_credentials(
    agent: Annotated[str, typer.Argument(help="The agent's id.", metavar="ID")], as_json: AsJson = False
) -> None:
    """Show what to enter into an agent's phone: SIP user, password and server."""
    raise typer.Exit(credentials.show(load_settings(), agent, as_json=as_json))


@events_cli.command("tail", epilog="Example: callcenter events tail --follow")
def events_tail(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new events until Ctrl-C.")] = False,
    contact: Annotated[str | None, typer.Option(help="Only this contact's events, from its first.")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=0, max=10_000, help="How many to begin with.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document per line.")] = False,
) -> None:
    """Show the latest events, oldest first, from the database."""
    from api.cli import events  # noqa: PLC0415 - heavy, see the head of this file

    _await(lambda settings: events.tail(settings, follow=follow, contact_id=contact, count=count, as_json=as_json))


@db_cli.command("upgrade", epilog="Example: callcenter db upgrade")
def db_upgrade(as_json: AsJson = False) -> None:
    """Bring the database's schema up to date; `run` does it too."""
    from api.cli import database  # noqa: PLC0415 - heavy, see the head of this file

    _await(lambda settings: database.upgrade(settings, as_json=as_json))


@cli.command(
    epilog="Example: callcenter sizing --calls-per-hour 6000 --aht-s 180 --target-share 0.8 --target-s 20"
    " --patience-s 120 --ivr-s 30 --trunk-blocking 0.001"
)
def sizing(
    target_share: Annotated[float, typer.Option(help="Least service level, such as 0.8.")],
    target_s: Annotated[float, typer.Option(help="Answered within this many seconds is in time.")],
    calls_per_hour: Annotated[float | None, typer.Option(help="Calls in the hour to plan for.")] = None,
    aht_s: Annotated[float | None, typer.Option(help="Mean talk, hold and wrap-up of a call.")] = None,
    patience_s: Annotated[float | None, typer.Option(help="Mean wait after which a caller gives up.")] = None,
    abandonment_max: Annotated[float | None, typer.Option(help="Largest share that may give up.")] = None,
    occupancy_max: Annotated[float | None, typer.Option(help="Largest share of time that agents may serve.")] = None,
    shrinkage: Annotated[float, typer.Option(help="Share of paid time that agents are not available.")] = 0.0,
    ivr_s: Annotated[float, typer.Option(help="Mean time of a call in the IVR.")] = 0.0,
    trunk_blocking: Annotated[
        float | None, typer.Option(help="Largest share of calls that may find no trunk, such as 0.001.")
    ] = None,
    site: Annotated[Path | None, typer.Option(help="Size each group of this site's agents, by simulation.")] = None,
    preset: Annotated[str | None, typer.Option(help="By simulation: demo, bank-1999 or site-1500.")] = None,
    keep_proportions: Annotated[bool, typer.Option(help="By simulation: all groups grow or shrink alike.")] = False,
    customers: Annotated[int, typer.Option(min=1_000, max=1_000_000, help="By simulation: so many a run.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="By simulation: the same seed finds the same.")] = 1,
    runs_max: Annotated[int, typer.Option(min=20, help="By simulation: look no further after so many runs.")] = 400,
    progress: Annotated[bool | None, typer.Option(help="By simulation: show how far it is, on stderr.")] = None,
    as_json: AsJson = False,
) -> None:
    """Work out how many agents, and trunks, a load needs to meet a service level; with --site, of each group of agents.

    By simulation: callcenter sizing --site sites/ours --calls-per-hour 900 --target-share 0.8 --target-s 20
    """
    from api.cli import sizing as planning  # noqa: PLC0415 - heavy, see the head of this file

    given = {
        "calls_per_hour": calls_per_hour,
        "aht_s": aht_s,
        "target_share": target_share,
        "target_s": target_s,
        "patience_s": patience_s,
        "abandonment_max": abandonment_max,
        "occupancy_max": occupancy_max,
        "shrinkage": shrinkage,
        "ivr_s": ivr_s,
        "trunk_blocking": trunk_blocking,
    }
    if site is None and preset is None:
        raise typer.Exit(planning.answer(given, as_json=as_json))
    from api.cli import crew  # noqa: PLC0415 - heavy, see the head of this file

    if occupancy_max is not None or trunk_blocking is not None:
        raise typer.BadParameter("--occupancy-max and --trunk-blocking are for a load without --site and --preset")
    if (mistaken := planning.mistaken(crew.filled(given))) is not None:
        raise typer.Exit(mistaken)
    shown = sys.stderr.isatty() if progress is None else progress
    load = (site, preset, calls_per_hour, aht_s, patience_s)
    bounds = (customers, seed, runs_max, keep_proportions)
    asked = crew.Asked(target_share, target_s, *load, abandonment_max, shrinkage, *bounds, as_json, shown)
    raise typer.Exit(crew.run(asked))


@cli.command(
    epilog="Examples: callcenter simulate --draft sites/draft"
    " · callcenter simulate --preset site-1500 --seed 7 --json"
    " · callcenter simulate --day 2026-11-20 --draft sites/draft --plot day.svg"
)
def simulate(
    site: Annotated[Path | None, typer.Option(help="The site's folder; without it the running one.")] = None,
    draft: Annotated[Path | None, typer.Option(help="Another site's folder, to compare: the same customers.")] = None,
    preset: Annotated[str | None, typer.Option(help="Drawn customers: demo, bank-1999 or site-1500.")] = None,
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Customers of a recorded day.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same days.")] = 1,
    replications: Annotated[int, typer.Option(min=1, max=1_000, help="How many days to draw.")] = 5,
    scale: Annotated[float, typer.Option(min=0.001, max=1_000.0, help="So many times the preset's calls.")] = 1.0,
    callbacks: Annotated[float, typer.Option(min=0, max=1, help="Share of customers who take a callback.")] = 0.0,
    ivr: Annotated[
        list[str] | None, typer.Option(help="Time in the IVR: [NUMBER or FLOW=]MEAN_S[,SD_S[,SHARE]].")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the service level into this SVG file.")] = None,
    progress: Annotated[bool | None, typer.Option(help="Show a bar on stderr; if not said, on a terminal.")] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate days on the ACD and say what comes of them, under the site and a draft side by side."""
    if day is not None and preset is not None:
        raise typer.BadParameter("--day takes the customers from the database, --preset draws them: choose one")
    from api.cli import simulate as simulation  # noqa: PLC0415 - heavy, see the head of this file

    shown = sys.stderr.isatty() if progress is None else progress
    asked = simulation.Asked(
        site,
        draft,
        preset,
        day.date() if day else None,
        seed,
        replications,
        scale,
        callbacks,
        tuple(ivr or ()),
        plot,
        as_json,
        shown,
    )
    _await(lambda settings: simulation.run(settings, asked))


@cli.command(epilog="Example: callcenter report --from 2026-11-20 --to 2026-11-21 --by queue --interval 30m")
def report(
    start: Annotated[str, typer.Option("--from", help="ISO 8601; without a zone, by the site's clock. Included.")],
    end: Annotated[str, typer.Option("--to", help="Not included.")],
    by: Annotated[
        Literal["site", "queue", "agent", "skill", "value_tier", "dialed", "language"],
        typer.Option(help="What rows are made for."),
    ] = "queue",
    interval: Annotated[Literal["15m", "30m", "1h", "1d"] | None, typer.Option(help="A row per interval.")] = None,
    view: Annotated[
        Literal["entered", "event"], typer.Option(help="By when contacts entered, or by when things were done.")
    ] = "entered",
    metrics: Annotated[str | None, typer.Option(help="Ids of metrics, comma between.")] = None,
    what: Annotated[Literal["queues", "surveys"], typer.Argument(help="What the report is about.")] = "queues",
    survey: Annotated[str | None, typer.Option(help="Of surveys: only this one.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Answer in CSV, for sheets.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what the center did, by interval and group; or what was answered in surveys (--from, --to, --survey)."""
    from api.cli import report as reporting  # noqa: PLC0415 - heavy, see the head of this file
    from api.cli import surveys  # noqa: PLC0415 - heavy, see the head of this file

    of_queues = (by, interval, view, metrics, as_csv) != ("queue", None, "entered", None, False)
    if of_queues if what == "surveys" else survey is not None:
        raise typer.BadParameter(
            "--by, --interval, --view, --metrics and --csv are for queues, --survey is for surveys"
        )
    if what == "surveys":
        of = surveys.Asked(instant("--from", start), instant("--to", end), survey, as_json)
        _await(lambda settings: surveys.run(settings, of))
    asked = reporting.Asked(
        instant("--from", start),
        instant("--to", end),
        by,
        view,
        interval,
        metrics,
        "csv" if as_csv else "json" if as_json else "",
    )
    _await(lambda settings: reporting.run(settings, asked))


@cli.command(epilog="Example: callcenter explain --customer +886910000001 --dialed 0800000100 --at 2026-11-22T20:00")
def explain(
    token: AccessToken,
    dialed: Annotated[str, typer.Option(help="The number dialed.")],
    customer: Annotated[str | None, typer.Option(help="A customer's id or phone; without it, a stranger.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only this queue; else all that the number can lead to.")] = None,
    language: Annotated[str | None, typer.Option(help="Instead of the customer's.")] = None,
    at: Annotated[
        str | None, typer.Option(help="At this instant; ISO 8601, without a zone by the site's clock.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say what would become of a call, without making it: rules, queue, who may serve when, who would be asked, why."""
    from api.cli import explain as explaining  # noqa: PLC0415 - heavy, see the head of this file

    asked = explaining.Asked(customer, dialed, queue, language, instant("--at", at) if at else None, as_json)
    _await(lambda settings: explaining.explain(settings, token, asked))


@cli.command(epilog="Example: callcenter demo --calls 100")
def demo(
    calls: Annotated[
        int, typer.Option(min=1, max=100_000, help="How many callers to serve; some more hang up before.")
    ] = 100,
    as_json: AsJson = False,
) -> None:
    """Run simulated callers and agents against the real system, with a live table and a closing summary."""
    from api.demo.run import run_demo  # noqa: PLC0415 - heavy, see the head of this file

    raise typer.Exit(run_demo(load_settings(), calls=calls, as_json=as_json))


@cli.command("demo-data", epilog="Example: callcenter demo-data")
def demo_data(as_json: AsJson = False) -> None:
    """Give the demo site's customers orders, cases and a PIN, for who tries its hotlines; on no other site."""
    from api.demo import data  # noqa: PLC0415 - heavy, see the head of this file

    _await(lambda settings: data.fill(settings, as_json=as_json))


def main() -> NoReturn:
    """Run the command line; expected faults become a sentence and an exit code, never a traceback."""
    gc.enable()
    try:
        cli(prog_name="callcenter")
    except CallCenterError as error:
        _say(error)
        sys.exit(exit_code_of(error))
    sys.exit(Exit.OK)


def _say(error: CallCenterError) -> None:
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps({"error": str(error)}, ensure_ascii=False) + "\n")
    err().print(f"callcenter: {error}", markup=False)


def _await(work: Callable[[Settings], Coroutine[Any, Any, Exit]]) -> NoReturn:
    """Run asynchronous work with the settings of the environment; ends the command with its exit code."""
    raise typer.Exit(asyncio.run(work(load_settings())))
