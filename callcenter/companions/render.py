"""Renders Asterisk's configuration files from the templates: a plan and passwords in, texts out."""

import hashlib
import string
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from callcenter.companions.credentials import Credentials
from callcenter.companions.plan import AsteriskPlan

TEMPLATES: Final = Path(__file__).resolve().parents[2] / "asterisk-config" / "templates"
ARI_USER: Final = "callcenter"
AMI_USER: Final = "callcenter"
EMERGENCY_RING_S: Final = 30
_PARTS: Final = frozenset({"pjsip_agent.conf"})  # templates of a piece of a file


class _Template(string.Template):
    """`@{name}`, since `${name}` is the dialplan's own."""

    delimiter = "@"


def render(plan: AsteriskPlan, credentials: Credentials, inside: PurePosixPath) -> dict[str, str]:
    """Texts of all configuration files by file name; `inside` is the instance's directory as Asterisk sees it."""
    values = _values(plan, credentials, inside)
    files = {path.name: _fill(path, values) for path in sorted(TEMPLATES.glob("*.conf")) if path.name not in _PARTS}
    files["modules.conf"] = _with_modules(files["modules.conf"], plan.extra_modules)
    for name, text in plan.extra_config.items():
        files[name] = files.get(name, "") + "\n" + text
    return files


def digest_of(files: Mapping[str, str]) -> str:
    """A fingerprint of rendered files."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{files[name]}\0".encode())
    return digest.hexdigest()


def prompt_media(plan: AsteriskPlan, prompt: str, spare: str, sounds: PurePosixPath) -> str:
    """The prompt in each language that has it, as an argument of Playback; else one of Asterisk's own sounds."""
    if plan.prompts_dir is None:
        return spare
    spoken = [
        str(sounds / language / prompt)
        for language in plan.languages
        if (plan.prompts_dir / language / f"{prompt}.wav").is_file()
    ]
    return "&".join(spoken) or spare


def _values(plan: AsteriskPlan, credentials: Credentials, inside: PurePosixPath) -> dict[str, str]:
    sounds = inside / "sounds"
    return {
        "inside": str(inside),
        "instance": plan.instance,
        "entity_id": credentials.entity_id,
        "http_port": str(plan.http_port),
        "ami_port": str(plan.ami_port),
        "sip_host": plan.sip_host,
        "sip_port": str(plan.sip_port),
        "rtp_start": str(plan.rtp_start),
        "rtp_end": str(plan.rtp_end),
        "ari_user": ARI_USER,
        "ari_password": credentials.ari_password,
        "ami_user": AMI_USER,
        "ami_password": credentials.ami_password,
        "app": plan.app,
        "lease_s": str(plan.lease_s),
        "language": plan.languages[0] if plan.languages else "en",
        "music_dir": "/usr/share/asterisk/moh",
        "voicemail": str(inside / "spool/voicemail"),
        "trunk_matches": "\n".join(f"match = {address}" for address in plan.trunk_match),
        "agents": _agents(plan, credentials),
        "emergency_dial": _emergency_dial(plan),
        "please_hold": prompt_media(plan, "fallback_please_hold", "pls-hold-while-try", sounds),
        "leave_message": prompt_media(plan, "fallback_leave_message", "vm-intro", sounds),
        "goodbye": prompt_media(plan, "goodbye", "vm-goodbye", sounds),
    }


def _agents(plan: AsteriskPlan, credentials: Credentials) -> str:
    credentials.ensure_agents(plan.agents)
    template = _Template((TEMPLATES / "pjsip_agent.conf").read_text())
    return "".join(
        template.substitute(agent=agent, password=credentials.agent_password(agent)) for agent in plan.agents
    )


def _emergency_dial(plan: AsteriskPlan) -> str:
    if not plan.emergency_agents:
        return "; No emergency agents are named in the site."
    phones = "&".join(f"PJSIP/{agent}" for agent in plan.emergency_agents)
    return f" same => n,Dial({phones},{EMERGENCY_RING_S},m(default))"


def _with_modules(text: str, wanted: tuple[str, ...]) -> str:
    left_out = {f"noload = {module.removesuffix('.so')}.so" for module in wanted}
    return "\n".join(line for line in text.splitlines() if line not in left_out) + "\n"


def _fill(path: Path, values: Mapping[str, str]) -> str:
    return _Template(path.read_text()).substitute(values)
