"""Gives the database the shape this version needs: its schema, and a month's partition for every event."""

import logging
import uuid
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from sqlalchemy import Connection, text

from callcenter.db.engine import connect, make_migrating_engine, reaching
from callcenter.errors import DatabaseError

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parents[2] / "migrations"
STARTERS_LOCK = 0x43436D67  # advisory lock: of two processes that start together, one migrates
STARTERS_WAIT_S = 60
MONTHS_AHEAD = 3
MONTHS_AROUND_MAX = 24  # contacts dated further off go to the default partition

log = logging.getLogger(__name__)


async def upgrade(url: str) -> None:
    """Bring the schema up to date and make this month's partitions and the next ones; safe to repeat and to race.

    Raises DatabaseError: unreachable, or the schema belongs to a newer version.
    """
    async with reaching("the database could not be migrated"):
        owner = await connect(url, "callcenter migrate")
        try:
            if await _version(owner) != newest():
                await _migrate(url)
            today = datetime.now(UTC).date()
            for ahead in range(MONTHS_AHEAD + 1):
                await ensure_month(owner, _month(today, ahead))
        finally:
            await owner.close()


def newest() -> str:
    """The revision that the newest migration leads to: the number that its file's name begins with."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


async def _version(connection: "asyncpg.Connection[asyncpg.Record]") -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return version


async def _migrate(url: str) -> None:
    from alembic.util import CommandError  # noqa: PLC0415 - a tenth of a start, which seldom needs it

    engine = make_migrating_engine(url)
    try:
        async with reaching("the database could not be migrated"), engine.connect() as connection:
            await connection.execute(
                text("SELECT set_config('lock_timeout', :wait, false)"), {"wait": f"{STARTERS_WAIT_S}s"}
            )
            await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": STARTERS_LOCK})
            await connection.commit()
            try:
                await connection.run_sync(_upgrade)
                await connection.commit()
            finally:
                await connection.rollback()
                await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": STARTERS_LOCK})
                await connection.commit()
    except CommandError as error:
        raise DatabaseError(
            f"the database has a schema that this version does not know ({error}); start the newer version"
        ) from error
    finally:
        await engine.dispose()


def config() -> "Config":
    """Alembic's configuration; the folder with the migrations stands beside the packages."""
    from alembic.config import Config  # noqa: PLC0415 - see _migrate

    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.set_main_option("path_separator", "os")
    return settings


def _upgrade(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - see _migrate

    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


@lru_cache(maxsize=4096)  # asked for each event of a contact
def day_of(contact_id: str) -> date:
    """The UTC day in a contact's UUIDv7; raises ValueError if it is none."""
    parsed = uuid.UUID(contact_id)
    if parsed.version != 7:
        raise ValueError(f"{contact_id} is not a UUIDv7")
    return datetime.fromtimestamp((parsed.int >> 80) / 1000, UTC).date()


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def near(month: date, today: date) -> bool:
    """Whether a contact of that month deserves a partition; a clock gone mad must not make thousands."""
    return abs((month.year - today.year) * 12 + month.month - today.month) <= MONTHS_AROUND_MAX


async def ensure_month(connection: "asyncpg.Connection[asyncpg.Record]", month: date) -> None:
    """Make the partition of that month unless it is there. Where it can't be, the default partition serves."""
    name = f"contact_event_{month:%Y_%m}"
    if await connection.fetchval("SELECT to_regclass($1)", name) is not None:
        return
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '2s'")
            # DDL takes no parameters; both are made of a date.
            await connection.execute(
                f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF contact_event "
                f"FOR VALUES FROM ('{month:%Y-%m-%d}') TO ('{_month(month, 1):%Y-%m-%d}')"
            )
    except (
        asyncpg.IntegrityConstraintViolationError,
        asyncpg.LockNotAvailableError,
        asyncpg.DuplicateTableError,
    ) as error:
        log.warning("no partition of its own", extra={"month": f"{month:%Y-%m}", "error": str(error)})


def _month(day: date, ahead: int) -> date:
    months = day.year * 12 + day.month - 1 + ahead
    return date(months // 12, months % 12 + 1, 1)
