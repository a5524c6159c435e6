"""doctor: every prerequisite looked at; what is missing is said with its cause and the exact fix."""

import asyncio
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from api.cli import ports
from api.cli.output import Exit, out, say_json
from api.cli.prerequisites import asterisk_found, clock_synchronised, free_bytes, postgres_wheel_found
from callcenter.companions.credentials import Credentials
from callcenter.companions.errors import CompanionError
from callcenter.companions.postgres import PostgresCompanion, checked_url
from callcenter.config.settings import Settings, SettingsError, load_settings
from callcenter.config.site import SiteError, load_site

PYTHON_MIN: Final = (3, 11)
DISK_BYTES_MIN: Final = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found. `required`: the call center does not run without it."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    required: bool = True


Look = Callable[[Settings], Sequence[Finding]]


def report(*, as_json: bool) -> Exit:
    """Look at everything, print it; MISSING if a required thing is missing, else OK."""
    findings = examine()
    missing = [finding for finding in findings if finding.required and not finding.ok]
    if as_json:
        say_json({"ok": not missing, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark = "ok     " if finding.ok else "MISSING" if finding.required else "note   "
            out().print(f"{mark}  {finding.name}: {finding.detail}", markup=False)
            if finding.fix and not finding.ok:
                out().print(f"         fix: {finding.fix}", markup=False)
        out().print("everything needed is here" if not missing else f"{len(missing)} missing")
    return Exit.MISSING if missing else Exit.OK


def examine() -> list[Finding]:
    """All findings, in the order in which a newcomer meets the things."""
    findings = [*_python()]
    try:
        settings = load_settings()
    except SettingsError as error:
        return findings + [
            Finding("settings", ok=False, detail=mistake, fix="set the variable right, or unset it")
            for mistake in error.mistakes
        ]
    looks: tuple[Look, ...] = (_asterisk, _sipp, _ports, _disk, _database, _site, _secrets, _clock)
    looks += (_witness, _journal, _audit)
    for look in looks:
        findings += look(settings)
    return findings


def _python() -> Sequence[Finding]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    wanted = ".".join(str(part) for part in PYTHON_MIN)
    in_venv = sys.prefix != sys.base_prefix
    return (
        Finding("python", ok=sys.version_info >= PYTHON_MIN, detail=version, fix=f"install Python {wanted} or later"),
        Finding(
            "virtual environment",
            ok=in_venv,
            detail=sys.prefix if in_venv else "this Python is the system's own",
            fix="run 'make run', or start the command as .venv/bin/python -m api.cli",
            required=False,
        ),
    )


def _asterisk(settings: Settings) -> Sequence[Finding]:
    if settings.asterisk == "external":
        return (Finding("asterisk", ok=True, detail=f"external, at {settings.ari_url}"),)
    try:
        return (Finding("asterisk", ok=True, detail=asterisk_found(settings.var, settings.asterisk_root)),)
    except CompanionError as error:
        return (Finding("asterisk", ok=False, detail=error.cause, fix=error.fix),)


def _sipp(_: Settings) -> Sequence[Finding]:
    found = shutil.which("sipp")
    return (
        Finding(
            "sipp",
            ok=found is not None,
            detail=found or "not installed; only the demo, the tests and the benchmark need it",
            fix="apt-get install sip-tester",
            required=False,
        ),
    )


def _ports(settings: Settings) -> Sequence[Finding]:
    wanted = [("CALLCENTER_API_PORT", "tcp", settings.api_host, settings.api_port)]
    if settings.asterisk == "managed":
        wanted += [
            ("CALLCENTER_HTTP_PORT", "tcp", "127.0.0.1", settings.http_port),
            ("CALLCENTER_AMI_PORT", "tcp", "127.0.0.1", settings.ami_port),
            ("CALLCENTER_SIP_PORT", "udp", settings.sip_host, settings.sip_port),
        ]
    findings, held = [], []
    for variable, protocol, host, port in wanted:
        name = f"port {port}/{protocol}"
        if ports.is_free(protocol, host, port):
            findings.append(Finding(name, ok=True, detail=f"free ({variable})"))
            continue
        holder = ports.holder_of(protocol, port)
        ours = holder is not None and ports.is_ours(holder, settings)
        held += [variable] if ours else []
        findings.append(
            Finding(
                name,
                ok=ours,
                detail=f"in use by {holder.shown if holder else 'another program'}{', which is ours' if ours else ''}",
                fix=f"stop that program, or set {variable} to a free port",
            )
        )
    return (*findings, _service(held))


def _service(held: Sequence[str]) -> Finding:
    """Whether the service runs, by the ports that our own programs hold."""
    if not held or "CALLCENTER_API_PORT" in held:
        return Finding("service", ok=True, detail="runs" if held else "does not run")
    detail = "does not run, but its Asterisk does: callers hear the fallback"
    return Finding("service", ok=False, detail=detail, fix="callcenter run takes its calls up", required=False)


def _disk(settings: Settings) -> Sequence[Finding]:
    free = free_bytes(settings.var)
    return (
        Finding(
            "disk",
            ok=free >= DISK_BYTES_MIN,
            detail=f"{free / 1e9:.1f} GB free for {settings.var}",
            fix=f"free at least {DISK_BYTES_MIN / 1e9:.0f} GB, or point CALLCENTER_VAR to another disk",
        ),
    )


def _database(settings: Settings) -> Sequence[Finding]:
    if settings.database_url is not None:
        try:
            asyncio.run(checked_url(settings.database_url))
        except CompanionError as error:
            return (Finding("database", ok=False, detail=error.cause, fix=error.fix),)
        return (Finding("database", ok=True, detail="the server of CALLCENTER_DATABASE_URL answers"),)
    running = PostgresCompanion(var=settings.var, instance=settings.instance).pid
    return (
        Finding(
            "database",
            ok=postgres_wheel_found(),
            detail=f"embedded PostgreSQL{f', running as pid {running}' if running else ''}",
            fix="make run installs it; or set CALLCENTER_DATABASE_URL",
        ),
    )


def _site(settings: Settings) -> Sequence[Finding]:
    try:
        site = load_site(settings.site)
    except SiteError as error:
        count = len(error.mistakes)
        first = error.mistakes[0] if error.mistakes else ""
        detail = f"{count} mistake{'s' if count != 1 else ''} in {settings.site}, the first: {first}"
        return (Finding("site", ok=False, detail=detail, fix=f"bin/callcenter check-site {settings.site} lists all"),)
    found = Finding("site", ok=True, detail=f"{site.name} in {settings.site}")
    calls_back = [name for name, queue in sorted(site.queues.items()) if queue.calls_back]
    if not calls_back:
        return (found,)
    detail = f"queues that call back: {', '.join(calls_back)}"
    fix = "set CALLCENTER_TRUNK to where calls go that we make; until then nobody is promised a call"
    return (found, Finding("trunk", ok=settings.trunk is not None, detail=detail, fix=fix, required=False))


def _secrets(settings: Settings) -> Sequence[Finding]:
    path = credentials_path(settings)
    if not path.exists():
        return (Finding("secrets", ok=True, detail="none yet; the first run makes them"),)
    mode = path.stat().st_mode & 0o777
    try:
        Credentials(path)
    except CompanionError as error:
        return (Finding("secrets", ok=False, detail=error.cause, fix=error.fix),)
    detail = f"{path} has mode {mode:04o}"
    return (Finding("secrets", ok=mode & 0o077 == 0, detail=detail, fix=f"chmod 600 {path}"),)


def _clock(_: Settings) -> Sequence[Finding]:
    synchronised = clock_synchronised()
    detail = {True: "synchronised", False: "not synchronised", None: "can't tell whether it is synchronised"}
    return (
        Finding(
            "clock",
            ok=synchronised is not False,
            detail=detail[synchronised],
            fix="apt-get install systemd-timesyncd (or chrony), so that instants in records are right",
            required=False,
        ),
    )


def _witness(settings: Settings) -> Sequence[Finding]:
    from callcenter.access import cel_path  # noqa: PLC0415 - heavy, see main.py
    from callcenter.asterisk.witness import Witness  # noqa: PLC0415

    path = cel_path(settings)
    if settings.asterisk == "managed" and path is not None and not path.exists():
        return (Finding("witness", ok=True, detail="none yet; Asterisk's account begins with the first call"),)
    silent = Witness(path, time.time).silent
    fix = "asterisk-config/existing/README.md says what to set in cel.conf and cel_custom.conf"
    return (Finding("witness", ok=not silent, detail=silent or str(path), fix=fix, required=False),)


def _journal(settings: Settings) -> Sequence[Finding]:
    from callcenter.clock import AnchoredClock  # noqa: PLC0415 - heavy, see main.py
    from callcenter.db.journal_file import KEPT_S  # noqa: PLC0415
    from callcenter.db.journal_status import Room, status_of  # noqa: PLC0415
    from callcenter.errors import JournalError  # noqa: PLC0415

    try:
        status = status_of(settings.var / settings.instance / "journal.sqlite")
    except JournalError as error:
        return (Finding("journal", ok=True, detail=str(error), required=False),)
    forgotten = (
        status.forgotten if status.forgotten and status.forgotten.to_at > AnchoredClock().now() - KEPT_S else None
    )
    detail = f"room on its disk: {status.room.value}"
    if forgotten is not None:
        detail += f"; {forgotten} were forgotten early and can't be sent again after a restore"
    fix = "make room on the journal's disk, and back the database up now: docs/journal.md, Room on the disk"
    return (
        Finding("journal", ok=status.room is Room.PLENTY and forgotten is None, detail=detail, fix=fix, required=False),
    )


def _audit(settings: Settings) -> Sequence[Finding]:
    from callcenter import audit  # noqa: PLC0415 - heavy, see main.py

    report = audit.last(settings.var / settings.instance / audit.RESULT)
    if report is None:
        return (Finding("audit", ok=True, detail="none yet; the service makes one every hour", required=False),)
    when = datetime.fromtimestamp(report.looked_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    unproved = "".join(f"; {note}" for note in report.notes if "I2" in note)
    detail = f"{report.found} findings in {report.contacts} contacts, {when}{unproved}"
    fix = "callcenter audit events names them; docs/journal.md says what each means"
    return (Finding("audit", ok=report.found == 0, detail=detail, fix=fix, required=False),)


def credentials_path(settings: Settings) -> Path:
    """Where this instance keeps its passwords."""
    return settings.var / settings.instance / "secrets.json"
