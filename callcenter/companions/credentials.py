"""The passwords of one instance: drawn at random once, kept in one file that only its owner reads."""

import json
import os
import secrets
from pathlib import Path
from typing import Final

from callcenter.companions.errors import CompanionError

_AGENT: Final = "agent:"


class Credentials:
    """Passwords of one instance, by name; drawn when first asked for and the same ever after."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = self._load()

    @property
    def ari_password(self) -> str:
        """Our password at Asterisk's REST interface."""
        return self._get("ari")

    @property
    def ami_password(self) -> str:
        """Our password at Asterisk's manager interface."""
        return self._get("ami")

    @property
    def entity_id(self) -> str:
        """Asterisk's stable name for itself, shaped like a locally administered MAC address."""
        digits = self._get("entity")
        return ":".join(["02", *(digits[at : at + 2] for at in range(0, 10, 2))])

    def agent_password(self, agent_id: str) -> str:
        """The SIP password of one agent."""
        return self._get(_AGENT + agent_id)

    def ensure_agents(self, agent_ids: tuple[str, ...]) -> None:
        """Draw the missing passwords of all these agents with one write."""
        missing = [_AGENT + agent_id for agent_id in agent_ids if _AGENT + agent_id not in self._known]
        if missing:
            self._draw(*missing)

    def _get(self, name: str) -> str:
        if name not in self._known:
            self._draw(name)
        return self._known[name]

    def _draw(self, *names: str) -> None:
        # Another process (the command line beside the service) may have drawn meanwhile: its draws stand.
        self._known = self._load()
        for name in names:
            self._known.setdefault(name, secrets.token_hex(16))
        self._save()

    def _load(self) -> dict[str, str]:
        try:
            loaded = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise CompanionError(
                f"the passwords in {self._path} can't be read: {error}",
                "make the file readable for this user, or remove it: new ones are drawn, and phones need them",
            ) from error
        return {str(name): str(value) for name, value in loaded.items()}

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as sink:
            json.dump(self._known, sink, indent=1, sort_keys=True)
        new.replace(self._path)
