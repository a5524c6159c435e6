"""Ways to PostgreSQL: a pool for reads, single connections for who needs their own; every wait has an end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from callcenter.errors import DatabaseError

POOL_CONNECTIONS_MAX = 10
POOL_WAIT_S = 2.0
CONNECT_S = 5.0
STATEMENT_S = 5.0
COPY_S = 60.0  # of one portion; the server ends it earlier where statements have a limit
LEAVE_S = 1.0  # how long a COPY that is given up may take to notice

# What the ways to the database can say; AssertionError and our own bugs pass. InternalClientError is how asyncpg says
# that the server threw this connection out while nothing was asked on it, and something is asked now.
FAULTS = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


def make_engine(url: str) -> AsyncEngine:
    """A pool for short reads. `url` is postgresql+asyncpg://…; raises DatabaseError if it can't be understood."""
    return _engine(
        url,
        pool_size=POOL_CONNECTIONS_MAX // 2,
        max_overflow=POOL_CONNECTIONS_MAX - POOL_CONNECTIONS_MAX // 2,
        pool_timeout=POOL_WAIT_S,
        pool_pre_ping=True,
        connect_args=_limits("callcenter reads", STATEMENT_S),
    )


def make_migrating_engine(url: str) -> AsyncEngine:
    """Without a pool, and with all the time that a migration takes. Raises as `make_engine`."""
    return _engine(url, poolclass=NullPool, connect_args=_limits("callcenter migrate", None))


async def connect(
    url: str, application: str, *, statement_s: float | None = STATEMENT_S
) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection outside the pool, for the writer and for listeners; raises FAULTS. None: statements may last."""
    try:
        parsed = make_url(url)
        arguments = dict(parsed.get_dialect()().create_connect_args(parsed)[1])
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise DatabaseError(_unreadable(error)) from error
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
        **arguments, **_limits(application, statement_s)
    )
    return connection


async def while_connected(connection: Any, work: Coroutine[Any, Any, None]) -> None:
    """Do a COPY that ends when its connection does, or after COPY_S. Raises FAULTS.

    asyncpg alone would wait for ever for a connection that is lost, or silent, while its own buffer is full.
    """
    lost = asyncio.get_running_loop().create_future()

    def ended(_: Any) -> None:
        if not lost.done():
            lost.set_result(None)

    connection.add_termination_listener(ended)
    working = asyncio.ensure_future(work)
    working.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        await asyncio.wait((working, lost), timeout=COPY_S, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ConnectionError("PostgreSQL was lost in the middle of a COPY")
        await working
    finally:
        connection.remove_termination_listener(ended)
        if not working.done():
            working.cancel()
            try:
                # It takes what the connection said at its end, which would go unheard once we had terminated it.
                await asyncio.wait({working}, timeout=LEAVE_S)
            finally:
                connection.terminate()  # nothing more can be said on it, not even ROLLBACK


def unless_cancelled(error: BaseException) -> None:
    """Raise CancelledError if this task was cancelled: what a connection says as it is left would hide that."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError from error


@asynccontextmanager
async def reaching(what: str) -> AsyncIterator[None]:
    """Whatever the database says inside becomes a DatabaseError that names `what` could not be done, and why."""
    try:
        yield
    except FAULTS as error:
        raise DatabaseError(f"{what}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """The cause in one line, without SQL or parameters, which hold callers' data."""
    origin = getattr(error, "orig", None) or error
    cause = origin.__cause__ or origin
    if isinstance(cause, TimeoutError | asyncio.TimeoutError):
        return "PostgreSQL did not answer in time"
    lines = str(cause).splitlines() or [type(cause).__name__]
    return lines[0][:300]


def _engine(url: str, **options: Any) -> AsyncEngine:
    try:
        return create_async_engine(url, **options)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise DatabaseError(_unreadable(error)) from error


def _limits(application: str, statement_s: float | None) -> dict[str, Any]:
    settings = {
        "application_name": application,
        "statement_timeout": str(int((statement_s or 0.0) * 1000)),
        "idle_in_transaction_session_timeout": "30000",
        "timezone": "UTC",
    }
    # The server's limit ends the statement; ours, a little later, the wait for a server that is gone.
    ours_s = None if statement_s is None else statement_s + 1.0
    return {"timeout": CONNECT_S, "command_timeout": ours_s, "server_settings": settings}


def _unreadable(error: Exception) -> str:
    cause = str(error).splitlines()[0]
    return f"the database URL is not of the form postgresql+asyncpg://user:password@host:port/name ({cause})"
