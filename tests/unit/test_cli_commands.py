"""The command line: what it prints, where, and the exit code."""

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.cli.main import main
from tests.kit.parts import CHECKOUT, DEMO_SITE


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `callcenter …` with only these CALLCENTER_ variables."""
    for name in [name for name in os.environ if name.startswith("CALLCENTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str, **variables: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["callcenter", *arguments])
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert ended.value.code is None or isinstance(ended.value.code, int)
        return Done(ended.value.code or 0, out, err)

    return command


def test_the_demo_site_has_no_mistakes(run: Run) -> None:
    done = run("check-site", str(DEMO_SITE), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["mistakes"] == []
    assert json.loads(done.stdout)["queues"] == 5


def test_check_site_says_every_mistake_at_once_with_its_path(run: Run, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(DEMO_SITE, site)
    agents = site / "agents.toml"
    agents.write_text(agents.read_text() + '\n[agent99]\nname = "X"\nskills = { juggling = 9 }\ncolour = "red"\n')
    plain, data = run("check-site", str(site)), run("check-site", str(site), "--json")
    assert plain.returncode == data.returncode == 1
    mistakes = json.loads(data.stdout)["mistakes"]
    assert len(mistakes) >= 2
    assert all("agents.agent99" in mistake for mistake in mistakes)
    assert plain.stdout.splitlines() == mistakes


def test_check_site_warns_of_what_is_hardly_meant_and_is_content(run: Run, tmp_path: Path) -> None:
    site = tmp_path / "site"
    shutil.copytree(DEMO_SITE, site)
    queues = site / "queues.toml"
    queues.write_text(f'{queues.read_text()}\n[extra]\nneeds = {{ orders = 1 }}\nhours = "never"\n')
    plain, data = run("check-site", str(site)), run("check-site", str(site), "--json")
    assert plain.returncode == data.returncode == 0
    (warning,) = json.loads(data.stdout)["warnings"]
    assert warning == "queues.extra.hours: calendar 'never' is closed now, whatever its hours say"
    assert plain.stdout.splitlines()[0] == f"warning: {warning}"
    assert "no mistakes, 1 warning" in plain.stdout


def test_the_running_services_site_is_out_of_reach_when_nothing_runs(run: Run) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        done = run("site", "apply", "--token", "cc_x", CALLCENTER_API_PORT=port)
    assert done.returncode == 4
    assert "callcenter run" in done.stderr


def test_a_folder_that_is_none_is_a_mistake_not_a_traceback(run: Run, tmp_path: Path) -> None:
    done = run("check-site", str(tmp_path / "missing\n[bold]"))
    assert done.returncode == 1
    assert "no such folder" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("check-site",),
        ("token", "create"),
        ("token", "create", "--role", "king"),
        ("token", "create", "--role", "agent"),
        ("token", "create", "--role", "admin", "--agent", "agent01"),
        ("events", "tail", "--count", "-1"),
    ],
)
def test_wrong_usage_is_exit_code_2_with_a_word_about_it(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr


@pytest.mark.parametrize(
    "command",
    [
        *("run", "doctor", "check-site", "demo", "token create", "agents credentials", "events tail", "db upgrade"),
        *("site show", "site apply", "site history", "site rollback"),
        *("flow check", "flow test", "flow show", "flow new", "flow list", "flow text"),
        *("prompt list", "prompt upload", "prompt publish", "prompt drop", "prompt remove"),
        *("flow draft", "flow drop", "flow publish", "flow versions", "flow rollback"),
    ],
)
def test_every_command_has_help_with_an_example(run: Run, command: str) -> None:
    done = run(*command.split(), "--help")
    assert done.returncode == 0
    assert f"Example: {'' if command != 'run' else 'CALLCENTER_SIP_PORT=5070 '}callcenter {command}" in done.stdout


def test_without_sipp_a_script_can_t_be_dialed_and_the_fix_is_said(run: Run, tmp_path: Path) -> None:
    script = DEMO_SITE / "flows/tests/main.toml"
    done = run("flow", "test", str(script), "--dial", PATH=str(tmp_path))
    assert done.returncode == 3
    assert "apt-get install sip-tester" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_no_telephone_can_bring_about_is_not_dialed_and_the_report_says_why(run: Run, tmp_path: Path) -> None:
    written = "flow = 'main'\n[[conversation]]\nname = 'a stranger of a high tier'\nat = '2026-11-20 10:00'\n"
    (tmp_path / "script.toml").write_text(written + "caller = { value_tier = 'vip' }\nsteps = []\nexit = 'in_flow'\n")
    done = run("flow", "test", str(tmp_path / "script.toml"), "--site", str(DEMO_SITE), "--dial", "--json")
    told = json.loads(done.stdout)
    assert [each["left_out"] for each in told["conversations"]] == ["a caller whom nobody knows is of tier standard"]
    assert (done.returncode, told["passed"], told["coverage"]["nodes_walked"]) == (1, False, 0)


def test_wrong_settings_are_all_said_with_their_names(run: Run) -> None:
    variables = {"CALLCENTER_API_PORT": "many", "CALLCENTER_SIP_HOST": "nowhere"}
    done = run("agents", "credentials", "agent01", **variables)
    assert done.returncode == 1
    assert all(name in done.stderr for name in variables)
    assert "Traceback" not in done.stderr


def test_an_agents_credentials_are_shown_and_stay_the_same(run: Run, tmp_path: Path) -> None:
    first = run("agents", "credentials", "agent01", "--json", CALLCENTER_VAR=str(tmp_path))
    shown = json.loads(first.stdout)
    assert (shown["sip_user"], shown["sip_server"]) == ("agent01", "127.0.0.1:5060")
    assert len(shown["sip_password"]) >= 32
    again = run("agents", "credentials", "agent01", CALLCENTER_VAR=str(tmp_path))
    assert shown["sip_password"] in again.stdout
    secrets = tmp_path / "main" / "secrets.json"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600


def test_an_unknown_agent_is_a_finding(run: Run, tmp_path: Path) -> None:
    done = run("agents", "credentials", "agent99", CALLCENTER_VAR=str(tmp_path))
    assert done.returncode == 1
    assert "agent99" in done.stderr
    assert not done.stdout


def findings(done: Done) -> dict[str, dict[str, object]]:
    return {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_doctor_names_cause_and_fix_of_each_missing_thing(run: Run, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run(
            "doctor",
            "--json",
            CALLCENTER_VAR=str(tmp_path),
            CALLCENTER_ASTERISK_ROOT=str(tmp_path / "no-root"),
            CALLCENTER_API_PORT=str(port),
            CALLCENTER_DATABASE_URL="postgresql://nobody:hidden@127.0.0.1:9/none",
        )
    assert done.returncode == 3, done.stderr
    found = findings(done)
    for name in ("asterisk", f"port {port}/tcp", "database"):
        assert not found[name]["ok"], name
        assert found[name]["fix"], name
    assert f"pid {os.getpid()}" in str(found[f"port {port}/tcp"]["detail"])
    assert "CALLCENTER_API_PORT" in str(found[f"port {port}/tcp"]["fix"])
    assert "provision.sh" in str(found["asterisk"]["fix"])
    assert "hidden" not in done.stdout
    assert found["site"]["ok"]
    assert found["python"]["ok"]


def test_doctor_says_whether_the_service_runs_or_only_its_asterisk(run: Run, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ports = {"CALLCENTER_API_PORT": "1", "CALLCENTER_SIP_PORT": port, "CALLCENTER_VAR": str(tmp_path)}
    ports["CALLCENTER_INSTANCE"] = "lonely"
    assert findings(run("doctor", "--json", **ports))["service"]["detail"] == "does not run"
    listens = (
        f"import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('127.0.0.1', {port})); print(); input()"
    )
    words = (sys.executable, "-uc", listens, f"asterisk -C {tmp_path}/lonely/asterisk.conf")  # told by its command line
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as orphan:
        assert orphan.stdin is not None
        assert orphan.stdout is not None
        orphan.stdout.readline()
        found = findings(run("doctor", "--json", **ports))
        orphan.stdin.close()
    assert str(found[f"port {port}/udp"]["detail"]).endswith("which is ours")
    assert (found["service"]["ok"], found["service"]["required"]) == (False, False)
    assert "callers hear the fallback" in str(found["service"]["detail"])


def test_doctor_says_when_passwords_can_be_read_by_others(run: Run, tmp_path: Path) -> None:
    secrets = tmp_path / "main" / "secrets.json"
    secrets.parent.mkdir()
    secrets.write_text("{}")
    secrets.chmod(0o644)
    found = findings(run("doctor", "--json", CALLCENTER_VAR=str(tmp_path)))["secrets"]
    assert (found["ok"], found["fix"]) == (False, f"chmod 600 {secrets}")


def test_doctor_counts_a_sites_mistakes_and_wrong_settings(run: Run, tmp_path: Path) -> None:
    site = findings(run("doctor", "--json", CALLCENTER_SITE=str(tmp_path)))["site"]
    assert not site["ok"]
    assert "check-site" in str(site["fix"])
    done = run("doctor", CALLCENTER_API_PORT="many")
    assert done.returncode == 3
    assert "CALLCENTER_API_PORT" in done.stdout


def test_the_wrapper_runs_the_same_command_from_anywhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [CHECKOUT / "bin/callcenter", "check-site", DEMO_SITE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_wrapper_of_a_checkout_without_an_environment_says_the_fix(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    shutil.copy(CHECKOUT / "bin/callcenter", tmp_path / "bin/callcenter")
    done = subprocess.run(
        [tmp_path / "bin/callcenter", "doctor"], capture_output=True, text=True, timeout=10, check=False
    )
    assert done.returncode == 3
    assert "make run" in done.stderr
