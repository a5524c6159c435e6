"""How the command line speaks: people get tables and sentences, programs JSON; data on stdout, the rest on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from callcenter.companions.errors import CompanionError
from callcenter.errors import CallCenterError, DatabaseError
from callcenter.handover import NotRunning

COLUMNS_MAX: Final = 2_000


class Exit(IntEnum):
    """What the exit code says; documented in docs/cli.md."""

    OK = 0
    FINDING = 1
    USAGE = 2
    MISSING = 3
    UNREACHABLE = 4


class ServiceAway(CallCenterError):
    """The running service was asked, and does not answer."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"the service does not answer at {url} ({why}); start it with 'callcenter run'")


def exit_code_of(error: CallCenterError) -> Exit:
    """The exit code for a fault we foresaw."""
    match error:
        case DatabaseError() | ServiceAway() | NotRunning():
            return Exit.UNREACHABLE
        case CompanionError():
            return Exit.MISSING
        case _:
            return Exit.FINDING


def out() -> Console:
    """Where data goes, whole however narrow the terminal; made anew each time, for tests and pipes replace stdout."""
    return Console(file=sys.stdout, highlight=False, soft_wrap=True, width=COLUMNS_MAX)


def err() -> Console:
    """Where words about the work go."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)


def say_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def say_line_json(value: Any) -> None:
    """One JSON document on one line of stdout, at once: for streams."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")
    sys.stdout.flush()


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A plain table; its cells are text, never markup."""
    made = Table(*head, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*(cell.replace("[", r"\[") for cell in row))
    return made
