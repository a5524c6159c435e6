"""journal: how the local journal is, and its kept events to the database once more."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from api.cli.database import reached
from api.cli.instants import by_the_site
from api.cli.output import Exit, err, out, say_json, table
from callcenter.config.settings import Settings
from callcenter.db.journal_status import Room, Status, status_of
from callcenter.db.rebuild import rebuild
from callcenter.db.resend import resend


def journal_path(settings: Settings) -> Path:
    """Where this instance keeps its journal."""
    return settings.var / settings.instance / "journal.sqlite"


def status(settings: Settings, *, as_json: bool) -> Exit:
    """Say how the journal is; FINDING without room on its disk. Raises JournalError."""
    found = status_of(journal_path(settings))
    if as_json:
        say_json(asdict(found))
    else:
        out().print(table(("journal", found.path), _rows(found)))
    return Exit.OK if found.room is Room.PLENTY else Exit.FINDING


def _rows(found: Status) -> list[tuple[str, str]]:
    owner = "not open" if found.service_pid is None else f"the service, pid {found.service_pid}"
    return [
        ("open by", owner),
        ("node, epoch", f"{found.node}, {found.epoch}"),
        ("events held", f"{found.held:,}, since {_shown(found.held_since)}"),
        ("of them unsent", f"{found.unsent:,}, since {_shown(found.unsent_since)}"),
        ("kept, to send again", f"{max(0, found.held - found.unsent):,}"),
        ("forgotten early", f"{found.forgotten}: can't be sent again" if found.forgotten else "nothing"),
        ("takes", f"{found.bytes / 1e6:,.1f} MB; {found.free_bytes / 1e9:,.1f} GB of the disk are free"),
        ("room", found.room.value),
    ]


def _shown(at: float | None) -> str:
    return "–" if at is None else datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="seconds")


async def replay(settings: Settings, since: datetime | None, *, anew: bool, as_json: bool) -> Exit:
    """Send kept events again; FINDING if one of them contradicts the database. Raises DatabaseError, JournalError."""
    at = None if since is None else by_the_site(since, settings).timestamp()
    async with reached(settings) as url:
        err().print("sending what the journal keeps; what is there already stays as it is")
        came_to = await resend(url, settings.node, at, journal_path(settings))
        if anew:
            err().print("computing the projections again")
            await rebuild(url)
    if as_json:
        say_json(asdict(came_to))
    else:
        out().print(f"{came_to.mended:,} events were missing and are there now; {came_to.aside:,} were set aside")
    return Exit.OK if came_to.aside == 0 else Exit.FINDING
