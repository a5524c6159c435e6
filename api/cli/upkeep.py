"""The words of `journal` and `audit`: what keeps the promise that nothing is lost, and proves it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from api.cli.instants import instant, span
from callcenter.config.settings import load_settings

journal_cli = typer.Typer(help="The local journal, which feeds the database.", no_args_is_help=True)
audit_cli = typer.Typer(help="Proof that nothing was lost.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]


@journal_cli.command("status", epilog="Example: callcenter journal status --json")
def journal_status(as_json: AsJson = False) -> None:
    """Say what the journal holds and what the database lacks of it; exit 1 when its disk has little room."""
    from api.cli import journal  # noqa: PLC0415 - heavy, see main.py

    raise typer.Exit(journal.status(load_settings(), as_json=as_json))


@journal_cli.command("replay", epilog="Example: callcenter journal replay --since 2026-11-20T18:00")
def journal_replay(
    since: Annotated[
        str | None, typer.Option(help="Only what happened from then on. ISO 8601; without a zone, by the site's clock.")
    ] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Compute all projections again afterwards.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send the events that the journal keeps (48 hours) to the database again, after a restore; safe to repeat.

    Works while the service runs, and without it. Exit 1 if an event contradicts what the database holds.
    """
    at = None if since is None else instant("--since", since)
    from api.cli import journal  # noqa: PLC0415 - heavy, see main.py

    raise typer.Exit(asyncio.run(journal.replay(load_settings(), at, anew=rebuild, as_json=as_json)))


@audit_cli.command("events", epilog="Example: callcenter audit events --from 2026-11-20 --to 2026-11-21")
def audit_events(
    start: Annotated[
        str | None, typer.Option("--from", help="ISO 8601; without a zone, by the site's clock. Included.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Not included; left out, now.")] = None,
    cel: Annotated[Path | None, typer.Option(help="Asterisk's CEL file, if it is not where ours is.")] = None,
    cel_optional: Annotated[
        bool, typer.Option("--cel-optional", help="If no CEL file is known, say so: it is no finding then.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Prove from journal, database and CEL that no event of the contacts begun in the span is lost or doubled.

    Without a span, the last 24 hours. Exit 1 on any finding; the result is also a metric and a line of doctor.
    """
    since, until = span(start, end)
    from api.cli import audit  # noqa: PLC0415 - heavy, see main.py

    raise typer.Exit(
        asyncio.run(audit.events(load_settings(), since, until, cel, cel_optional=cel_optional, as_json=as_json))
    )
