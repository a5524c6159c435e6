"""For an Asterisk that is there already: writes files to include, beside the ones its operator keeps."""

import shutil
import sys
from pathlib import Path, PurePosixPath
from typing import Final

from callcenter.blueprint import asterisk_plan
from callcenter.companions.credentials import Credentials
from callcenter.companions.plan import AsteriskPlan
from callcenter.companions.render import AMI_USER, ARI_USER, render
from callcenter.config.settings import PREFIX, load_settings
from callcenter.config.site import load_site
from callcenter.errors import CallCenterError

INCLUDED: Final = {
    "callcenter_dialplan.conf": "extensions.conf",
    "callcenter_agents.conf": "pjsip.conf",
    "callcenter_ari.conf": "ari.conf",
    "callcenter_manager.conf": "manager.conf",
    "callcenter_music.conf": "musiconhold.conf",
}


def write_includes(plan: AsteriskPlan, credentials: Credentials, target: Path) -> None:
    """Write the files to include, the prompts and our service's environment (`callcenter.env`) into `target`."""
    (target / "spool/voicemail").mkdir(parents=True, exist_ok=True)
    if plan.prompts_dir is not None:
        shutil.copytree(plan.prompts_dir, target / "sounds", dirs_exist_ok=True)
    files = render(plan, credentials, PurePosixPath(target))
    for name in INCLUDED:
        _write_private(target / name, files[name])
    environment = {
        "ASTERISK": "external",
        "ARI_URL": f"http://127.0.0.1:{plan.http_port}/ari",
        "ARI_USER": ARI_USER,
        "ARI_PASSWORD": credentials.ari_password,
        "AMI_PORT": str(plan.ami_port),
        "AMI_USER": AMI_USER,
        "AMI_PASSWORD": credentials.ami_password,
        "RECORDINGS_DIR": "/var/spool/asterisk/monitor",
        "SOUNDS_DIR": str(target / "sounds"),
    }
    _write_private(target / "callcenter.env", "".join(f"{PREFIX}{key}={value}\n" for key, value in environment.items()))


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o640)
    path.write_text(text)


def main(arguments: list[str]) -> int:
    """Write the includes for the configured site into the directory named; 0 when done, 2 when told why not."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m callcenter.companions.existing DIRECTORY\n")
        return 2
    target = Path(arguments[0]).absolute()
    try:
        # Before the first run there is no external Asterisk to describe yet: that is what we are writing.
        settings = load_settings(asterisk="managed")
        site = load_site(settings.site)
        plan = asterisk_plan(settings, site, root=None)
        credentials = Credentials(settings.var / settings.instance / "secrets.json")
        write_includes(plan, credentials, target)
    except CallCenterError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for name, file in INCLUDED.items():
        sys.stdout.write(f"in {file}:  #include {target / name}\n")
    sys.stdout.write("the rest is in asterisk-config/existing/README.md\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
