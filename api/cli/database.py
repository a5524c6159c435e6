"""The database from the command line: beside the running service or without it, left as it was found."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from api.cli.output import Exit, err, say_json
from callcenter.companions.postgres import PostgresCompanion
from callcenter.config.settings import Settings
from callcenter.db.engine import make_engine
from callcenter.db.migrate import upgrade as migrate


@asynccontextmanager
async def reached(settings: Settings) -> AsyncIterator[str]:
    """The URL of a database that answers, its schema up to date; what was started for us is stopped again."""
    postgres = PostgresCompanion(var=settings.var, instance=settings.instance, database_url=settings.database_url)
    await postgres.attach()
    try:
        await migrate(postgres.url)
        yield postgres.url
    finally:
        await postgres.stop()


@asynccontextmanager
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """A pool on the database of these settings."""
    async with reached(settings) as url:
        made = make_engine(url)
        try:
            yield made
        finally:
            await made.dispose()


async def upgrade(settings: Settings, *, as_json: bool) -> Exit:
    """Bring the schema up to date; raises CompanionError or DatabaseError."""
    async with reached(settings):
        pass
    if as_json:
        say_json({"upgraded": True})
    else:
        err().print("the database's schema is up to date")
    return Exit.OK
