"""The command line's words: every command, its options and examples; the work is done in the modules beside.

Commands that need SQLAlchemy or FastAPI import their module when they run: `doctor` and `--help` answer at once.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from api.cli import credentials, doctor, sites
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
token_cli = typer.Typer(help="Tokens for the HTTP API.", no_args_is_help=True)
agents_cli = typer.Typer(help="Agents of the site.", no_args_is_help=True)
events_cli = typer.Typer(help="What we remember of contacts and agents.", no_args_is_help=True)
db_cli = typer.Typer(help="The database.", no_args_is_help=True)
for name, noun in (("token", token_cli), ("agents", agents_cli), ("events", events_cli), ("db", db_cli)):
    cli.add_typer(noun, name=name)

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


@cli.command(epilog="Example: CALLCENTER_SIP_PORT=5070 callcenter run")
def run() -> None:
    """Run the call center in the foreground until Ctrl-C: Asterisk, PostgreSQL, the service and its API."""
    from api.cli import running  # noqa: PLC0415 - heavy, see the head of this file

    raise typer.Exit(running.run(load_settings()))


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


@token_cli.command("create", epilog="Example: callcenter token create --role agent --agent agent01 --label desk")
def token_create(
    role: Annotated[Literal["agent", "supervisor", "admin"], typer.Option(help="What the token may do.")],
    agent: Annotated[str | None, typer.Option(help="The agent it stands for; needed for role agent.")] = None,
    label: Annotated[str, typer.Option(help="A reminder of who has it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Make a token and print it, this once; only its hash is kept. Works while the service runs, and without it."""
    if (role == "agent") != (agent is not None):
        raise typer.BadParameter("--agent names the agent of a token of role agent, and belongs to no other role")
    from api.cli import tokens  # noqa: PLC0415 - heavy, see the head of this file

    _await(lambda settings: tokens.create(settings, role, agent, label, as_json=as_json))


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
    calls_per_hour: Annotated[float, typer.Option(help="Calls in the hour to plan for.")],
    aht_s: Annotated[float, typer.Option(help="Mean talk, hold and wrap-up of a call.")],
    target_share: Annotated[float, typer.Option(help="Least service level, such as 0.8.")],
    target_s: Annotated[float, typer.Option(help="Answered within this many seconds is in time.")],
    patience_s: Annotated[float | None, typer.Option(help="Mean wait after which a caller gives up.")] = None,
    abandonment_max: Annotated[float | None, typer.Option(help="Largest share that may give up.")] = None,
    occupancy_max: Annotated[float | None, typer.Option(help="Largest share of time that agents may serve.")] = None,
    shrinkage: Annotated[float, typer.Option(help="Share of paid time that agents are not available.")] = 0.0,
    ivr_s: Annotated[float, typer.Option(help="Mean time of a call in the IVR.")] = 0.0,
    trunk_blocking: Annotated[
        float | None, typer.Option(help="Largest share of calls that may find no trunk, such as 0.001.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Work out how many agents, and trunks, a load needs to meet a service level."""
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
    raise typer.Exit(planning.answer(given, as_json=as_json))


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


def main() -> NoReturn:
    """Run the command line; expected faults become a sentence and an exit code, never a traceback."""
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
