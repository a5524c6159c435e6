"""Asterisk beside us: started from its plan, found again after a crash of ours, stopped when we stop."""

import asyncio
import json
import logging
import resource
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callcenter.companions import process, readiness
from callcenter.companions.credentials import Credentials
from callcenter.companions.errors import CompanionError, PortInUse, StartFailed
from callcenter.companions.place import Place, place_of
from callcenter.companions.plan import AsteriskPlan
from callcenter.companions.render import AMI_USER, ARI_USER, digest_of, render
from callcenter.companions.tenure import Tenure

BOOT_S: Final = 45.0
PORT_S: Final = 2.0
OPEN_FILES_MAX: Final = 65536
_STOP: Final = ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0))
_RELOADED: Final = {
    "pjsip.conf": "res_pjsip.so",
    "callcenter_agents.conf": "res_pjsip.so",
    "callcenter_dialplan.conf": "pbx_config.so",
    "extensions.conf": "pbx_config.so",
    "callcenter_music.conf": "res_musiconhold.so",
    "musiconhold.conf": "res_musiconhold.so",
    "rtp.conf": "res_rtp_asterisk.so",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Running:
    """What the living Asterisk was started with."""

    digest: str
    ari_url: str


class AsteriskCompanion:
    """One instance of Asterisk, ours to start and stop.

    `start()` starts it, or takes over a living one of the same instance with its calls. `stop()` ends it with its
    calls. `leave()` lets go and keeps it, so that the next `start()`, here or in another process, finds it.
    """

    def __init__(self, plan: AsteriskPlan) -> None:
        self._plan = plan
        self._place: Place = place_of(plan.instance, var=plan.var, root=plan.root)
        self._credentials = Credentials(plan.var / plan.instance / "secrets.json")
        self._tenure = Tenure(self._place.host / "lock")
        self._run = self._place.host / "run"
        self._marker = f"{self._place.inside}/etc/asterisk.conf"
        self.ari_url = f"http://127.0.0.1:{plan.http_port}/ari"
        self.ari_user = ARI_USER
        self.ari_password = self._credentials.ari_password
        self.ami_host = "127.0.0.1"
        self.ami_port = plan.ami_port
        self.ami_user = AMI_USER
        self.ami_password = self._credentials.ami_password
        self.recordings_dir = self._place.host / "spool/monitor"
        self.voicemail_dir = self._place.host / "spool/voicemail"
        self.sounds_dir_in_asterisk = str(self._place.inside / "sounds")
        self.log_path = self._place.host / "log/messages.log"
        self.security_log_path = self._place.host / "log/security.log"
        self.cel_path = self._place.cel

    @property
    def pid(self) -> int | None:
        """The living process; None if there is none."""
        pid = process.read_pid(self._run / "asterisk.pid")
        return pid if process.is_alive(pid, self._marker) else None

    def alive(self) -> bool:
        """Whether the process lives; says nothing about its answering."""
        return self.pid is not None

    def sip_password(self, agent_id: str) -> str:
        """The password with which the agent's phone registers."""
        return self._credentials.agent_password(agent_id)

    async def start(self) -> None:
        """Return when Asterisk has booted and answers. Raises a CompanionError naming cause and fix."""
        await self._tenure.take(what=f"Asterisk of instance {self._plan.instance!r}")
        try:
            files = await asyncio.to_thread(self._render)
            if not (self.alive() and await self._take_over(files)):
                await self._launch(files)
        except BaseException:
            self._tenure.give_up()
            raise

    async def stop(self) -> None:
        """End Asterisk and its calls, if it is ours. Safe to repeat."""
        if not self._tenure.held:
            return
        await self._end()
        self._tenure.give_up()

    async def adapt(self, plan: AsteriskPlan) -> Sequence[str]:
        """Give the living Asterisk a changed site: phones, prompts, dialplan; its calls go on. Raises CompanionError.

        Answers the files that it takes only when it is started the next time. Prompts that the site no longer has
        stay until then, for callers who are still in a flow that says them.
        """
        running = self._read_running()
        if not self._tenure.held or running is None:
            raise CompanionError("Asterisk does not run", "see its log/messages.log; 'callcenter run' starts it")
        former, self._plan = self._plan, plan
        try:
            files = await asyncio.to_thread(self._render, tidy=False)
            return await self._reload(files, running)
        except readiness.NoAnswer as error:
            self._plan = former
            raise CompanionError(f"Asterisk did not take the change: {error}", "try again; see its log") from error
        except BaseException:
            self._plan = former
            raise

    async def leave(self) -> None:
        """Let go of a living Asterisk: calls and phones stay as they are."""
        self._tenure.give_up()

    async def _end(self) -> None:
        pid = self.pid
        if pid is not None and not await process.end(pid, self._marker, _STOP):
            raise CompanionError(f"Asterisk (pid {pid}) does not end", f"end it by hand: kill -9 {pid}")

    # ---- Taking over a living one ----

    async def _take_over(self, files: Mapping[str, str]) -> bool:
        """Whether the living Asterisk is ours again, under the wanted configuration; if not, it is ended."""
        running = self._read_running()
        if running is not None and running.digest == digest_of(files):
            try:
                await readiness.wait_booted(self, boot_s=BOOT_S)
            except StartFailed as error:
                log.warning("the living Asterisk does not answer; it is started anew", extra={"cause": error.cause})
            else:
                log.info("took over a living Asterisk", extra={"pid": self.pid})
                return True
        elif running is not None and await self._calls_of(running) > 0:
            await self._reload(files, running)
            return True
        await self._end()
        return False

    async def _calls_of(self, running: _Running) -> int:
        try:
            return await readiness.channels(running.ari_url, self.ari_user, self.ari_password)
        except readiness.NoAnswer:
            return 0  # one that can't be asked can't be served either

    async def _reload(self, files: Mapping[str, str], running: _Running) -> Sequence[str]:
        """Give a living Asterisk with calls what it can take without a restart; say what has to wait for one."""
        changed = [name for name, text in files.items() if self._text_of(name) != text]
        await asyncio.to_thread(self._write, files)
        modules = sorted({_RELOADED[name] for name in changed if name in _RELOADED})
        await readiness.reload(running.ari_url, self.ari_user, self.ari_password, modules)
        later = [name for name in changed if name not in _RELOADED]
        if self.ari_url != running.ari_url:
            raise CompanionError(
                f"Asterisk has calls and listens at {running.ari_url}, not at {self.ari_url}",
                f"start with the former ports until the calls have ended, or end that Asterisk: kill {self.pid}",
            )
        await readiness.wait_booted(self, boot_s=BOOT_S)
        # Not the new digest when something waits: the next start without calls shall restart it.
        if not later:
            self._write_running(digest_of(files))
        log.info("a living Asterisk took a change", extra={"reloaded": modules, "after_restart": later})
        return later

    # ---- Starting ----

    async def _launch(self, files: Mapping[str, str]) -> None:
        await self._check_ports()
        await asyncio.to_thread(self._write, files)
        self._write_running(digest_of(files))
        status_file = await asyncio.to_thread(self._spawn)
        try:
            await readiness.wait_booted(self, boot_s=BOOT_S, ended=lambda: process.exit_status(status_file))
        except BaseException as error:
            await self._end()
            if isinstance(error, StartFailed):
                raise StartFailed(f"{error.cause}\n{self._last_words()}".rstrip(), error.fix) from error
            raise

    def _spawn(self) -> Path:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_MAX)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))  # two sockets a leg, and they are inherited
        (self._run / "asterisk.pid").unlink(missing_ok=True)
        if self.log_path.exists():
            self.log_path.replace(self.log_path.with_suffix(".former.log"))  # one former log is kept: bounded
        output = self._place.host / "log/start.log"
        try:
            return process.launch(
                [*self._place.command(), "-f", "-C", self._marker],
                output=output,
                environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TZ": "UTC", "LANG": "C.UTF-8", "HOME": "/"},
                sudo=self._place.sudo,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise StartFailed(
                f"Asterisk could not be started: {process.last_lines(output) or error}",
                "run as root, or let sudo know the password first: sudo -v",
            ) from error

    def _last_words(self) -> str:
        started = process.last_lines(self._place.host / "log/start.log")
        logged = process.last_lines(self.log_path, count=4, matching="ERROR")
        return "\n".join(text for text in (started, logged) if text)

    async def _check_ports(self) -> None:
        plan = self._plan
        for port, kind, host, variable in (
            (plan.sip_port, socket.SOCK_DGRAM, plan.sip_host, "CALLCENTER_SIP_PORT"),
            (plan.http_port, socket.SOCK_STREAM, "127.0.0.1", "CALLCENTER_HTTP_PORT"),
            (plan.ami_port, socket.SOCK_STREAM, "127.0.0.1", "CALLCENTER_AMI_PORT"),
        ):
            # A predecessor that was killed a moment ago still closes its sockets.
            if not await process.until(lambda: _why_not(host, port, kind) is None, PORT_S):  # noqa: B023
                raise PortInUse(
                    f"port {port}/{'udp' if kind is socket.SOCK_DGRAM else 'tcp'} on {host} can't be used: "
                    f"{_why_not(host, port, kind)}",
                    f"end the program that has it (ss -lnp shows which), or choose another: {variable}=PORT",
                )

    # ---- Files ----

    def _render(self, *, tidy: bool = True) -> dict[str, str]:
        self._place.prepare()
        self._copy_prompts(tidy=tidy)
        return render(self._plan, self._credentials, self._place.inside)

    def _write(self, files: Mapping[str, str]) -> None:
        directory = self._place.host / "etc"
        for path in directory.iterdir():
            if path.name not in files:
                path.unlink()
        for name, text in files.items():
            new = directory / f"{name}.new"
            new.touch(mode=0o640)
            new.write_text(text)
            new.replace(directory / name)
        self._place.hand_over()

    def _text_of(self, name: str) -> str:
        try:
            return (self._place.host / "etc" / name).read_text()
        except OSError:
            return ""

    def _copy_prompts(self, *, tidy: bool) -> None:
        """Make Asterisk's copy of the prompts equal to the site's; a file in use keeps its old content to the end.

        Without `tidy`, prompts that the site does not have stay.
        """
        if self._plan.prompts_dir is None:
            return
        target = self._place.host / "sounds"
        wanted = {path.relative_to(self._plan.prompts_dir): path for path in self._plan.prompts_dir.rglob("*.wav")}
        for relative, source in wanted.items():
            copy = target / relative
            if copy.exists() and copy.read_bytes() == source.read_bytes():
                continue
            copy.parent.mkdir(parents=True, exist_ok=True)
            new = copy.with_name(f"{copy.name}.new")
            shutil.copyfile(source, new)
            new.replace(copy)
        for copy in target.rglob("*.wav") if tidy else ():
            if copy.relative_to(target) not in wanted:
                copy.unlink()
        self._place.hand_over()

    def _read_running(self) -> _Running | None:
        try:
            known = json.loads((self._run / "running.json").read_text())
            return _Running(str(known["digest"]), str(known["ari_url"]))
        except (OSError, ValueError, KeyError):
            return None

    def _write_running(self, digest: str) -> None:
        (self._run / "running.json").write_text(json.dumps({"digest": digest, "ari_url": self.ari_url}))


def _why_not(host: str, port: int, kind: socket.SocketKind) -> str | None:
    """Why the port can't be had; None if it can."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one in TIME_WAIT is free
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None
