"""Settings: where this process runs; from environment variables named CALLCENTER_…, checked whole at start."""

import difflib
import os
import re
from collections.abc import Sequence, Set
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from callcenter.errors import CallCenterError

PREFIX: Final = "CALLCENTER_"
CHECKOUT: Final = Path(__file__).resolve().parents[2]
_INSTANCE: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")
_PLAIN_PATH: Final = re.compile(r"/[A-Za-z0-9._/-]{1,200}")
_TRUNK: Final = re.compile(r"[A-Za-z0-9.-]{1,100}(:[0-9]{2,5})?")
_DIAL_STRING: Final = re.compile(r"(PJSIP|SIP|IAX2|DAHDI|Local)/[A-Za-z0-9@:;=./_-]*\{number\}[A-Za-z0-9@:;=./_-]*")
_SOCKET: Final = re.compile(r"wss?://[^\s/]+(/\S*)?")
_HOST_PORT: Final = re.compile(r"[A-Za-z0-9.-]{1,253}:[0-9]{1,5}")
# What an external Asterisk must be told to us; AMI's host and user have sensible defaults.
_EXTERNAL_NEEDS: Final = (
    "ari_url",
    "ari_user",
    "ari_password",
    "ami_user",
    "ami_password",
    "recordings_dir",
    "sounds_dir",
)


class SettingsError(CallCenterError):
    """The environment holds mistakes; `mistakes` has all of them, each with the variable's name and the fix."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


class Settings(BaseSettings):
    """Where one instance runs. Get it by `load_settings()`, which reports every mistake at once."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    var: Path = Field(CHECKOUT / "var", description="directory of everything this process writes")
    instance: str = Field("main", description="name of this instance; two on one machine differ here and in ports")
    node: str = Field("n1", description="name of this machine in ids, for the day there are several")
    site: Path = Field(
        CHECKOUT / "callcenter/config/demo_site", description="directory of the site: hotlines, queues, agents"
    )
    database_url: str | None = Field(None, description="PostgreSQL to use; unset: an embedded one under `var`")
    api_host: str = Field("127.0.0.1", description="address of the HTTP interface")
    api_port: int = Field(8080, ge=1, le=65535, description="port of the HTTP interface")
    sip_host: str = Field("127.0.0.1", description="address at which phones and trunk reach Asterisk")
    sip_port: int = Field(5060, ge=1024, le=65535, description="SIP port of Asterisk, UDP")
    http_port: int = Field(8088, ge=1024, le=65535, description="port of Asterisk's ARI, this machine only")
    ami_port: int = Field(5038, ge=1, le=65535, description="port of Asterisk's AMI, this machine only when managed")
    rtp_start: int = Field(10000, ge=1024, le=65535, description="first port for audio, UDP; 4 a served call")
    rtp_end: int = Field(14999, ge=1024, le=65535, description="last port for audio")
    trunk: str | None = Field(
        None,
        description="where calls go that we make: HOST or HOST:PORT of the provider, or a dial string of your own "
        "Asterisk with {number} in it, such as PJSIP/{number}@provider",
    )
    asterisk: Literal["managed", "external"] = Field(
        "managed", description="managed: we start and stop it; external: it is there, see the next ones"
    )
    asterisk_root: Path | None = Field(None, description="provisioned root to run Asterisk from; unset: as provisioned")
    ari_url: str | None = Field(None, description="external: such as http://127.0.0.1:8088/ari")
    ari_user: str | None = Field(None, description="external: ARI user")
    ari_password: SecretStr | None = Field(None, description="external: ARI password")
    ami_host: str = Field("127.0.0.1", description="external: address of AMI")
    ami_user: str | None = Field(None, description="external: AMI user")
    ami_password: SecretStr | None = Field(None, description="external: AMI password")
    recordings_dir: Path | None = Field(None, description="external: where its MixMonitor writes, as we see it")
    cel_file: Path | None = Field(
        None, description="external: its CEL file with our columns, as we see it; unset: ends nobody heard have no time"
    )
    recordings_fallback: Path | None = Field(
        None, description="second folder for recordings, on another disk: used while the first one is not fit"
    )
    recordings_low_mb: int = Field(
        1000, ge=1, description="with less free on its disk, a recordings folder is not recorded into"
    )
    sounds_dir: str | None = Field(None, description="external: folder of the site's prompts, as that Asterisk sees it")
    http_allowed: str = Field(
        "", description="HOST:PORT, separated by commas, that flows may ask by HTTP though they are not public"
    )
    http_credentials: Path | None = Field(
        None, description="folder of what flows log in with by HTTP: files that hold an Authorization header"
    )
    recogniser: str | None = Field(
        None, description="WebSocket of a speech recogniser, such as ws://127.0.0.1:9090/; unset: keys only"
    )
    recogniser_rate: int = Field(8_000, description="samples a second that it gets: 8000 or 16000")
    app: str = Field("callcenter", pattern=r"^[A-Za-z0-9_-]{1,40}$", description="name of our Stasis application")
    lease_s: int = Field(30, ge=5, le=3600, description="seconds after which an uncared-for caller is rescued")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator(
        "var",
        "site",
        "asterisk_root",
        "recordings_dir",
        "cel_file",
        "recordings_fallback",
        "http_credentials",
        mode="after",
    )
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("site", mode="after")
    @classmethod
    def _existing(cls, value: Path) -> Path:
        if not value.is_dir():
            raise ValueError("there is no such directory")
        return value

    @field_validator("recordings_fallback", mode="after")
    @classmethod
    def _plain_path(cls, value: Path | None) -> Path | None:
        if value is not None and not _PLAIN_PATH.fullmatch(str(value)):
            raise ValueError("use a path of letters, digits, '.', '_', '-' and '/': Asterisk's options allow no others")
        return value

    @field_validator("trunk", mode="after")
    @classmethod
    def _dialable(cls, value: str | None) -> str | None:
        if value is not None and not (_TRUNK.fullmatch(value) or _DIAL_STRING.fullmatch(value)):
            raise ValueError("write HOST, HOST:PORT, or a dial string such as PJSIP/{number}@provider")
        return value

    @field_validator("instance", "node")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _INSTANCE.fullmatch(value):
            raise ValueError("use 1 to 20 lower-case letters, digits and '-'")
        return value

    @field_validator("sip_host", "api_host")
    @classmethod
    def _address(cls, value: str) -> str:
        if value != "localhost":
            try:
                ip_address(value)
            except ValueError:
                raise ValueError("use an IP address, such as 127.0.0.1, or 0.0.0.0 for all") from None
        return "127.0.0.1" if value == "localhost" else value

    @field_validator("recogniser", mode="after")
    @classmethod
    def _socket(cls, value: str | None) -> str | None:
        if value is not None and not _SOCKET.fullmatch(value):
            raise ValueError("write a WebSocket's URL, such as ws://127.0.0.1:9090/ or wss://host/path")
        return value

    @field_validator("recogniser_rate", mode="after")
    @classmethod
    def _known_rate(cls, value: int) -> int:
        if value not in {8_000, 16_000}:
            raise ValueError("use 8000 or 16000")
        return value

    @field_validator("http_allowed", mode="after")
    @classmethod
    def _hosts(cls, value: str) -> str:
        if not all(_HOST_PORT.fullmatch(each) for each in _listed(value)):
            raise ValueError("write HOST:PORT, such as crm.internal:8443,10.0.0.5:80")
        return value

    @property
    def http_allowed_hosts(self) -> tuple[str, ...]:
        """What `http_allowed` lists."""
        return _listed(self.http_allowed)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        mistakes = _mistakes_together(self)
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self


def _listed(text: str) -> tuple[str, ...]:
    return tuple(each.strip().lower() for each in text.split(",") if each.strip())


def load_settings(**given: Any) -> Settings:
    """The settings of this process, from its environment; `given` beats it.

    Raises SettingsError with every mistake: the variable's name, what is wrong, the fix.
    """
    mistakes = _misspelled({name.removeprefix(PREFIX).lower() for name in os.environ if name.startswith(PREFIX)})
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise SettingsError([*mistakes, *_told(error)]) from None
    if mistakes:
        raise SettingsError(mistakes)
    return settings


def _misspelled(names: Set[str]) -> list[str]:
    """Names that are nearly ours: a misspelled setting would silently keep its default."""
    mistakes = []
    for name in sorted(names - Settings.model_fields.keys()):
        near = difflib.get_close_matches(name, list(Settings.model_fields), n=1, cutoff=0.8)
        if near:
            mistakes.append(f"{PREFIX}{name.upper()}: no such setting; did you mean {PREFIX}{near[0].upper()}?")
    return mistakes


def _told(error: ValidationError) -> list[str]:
    told = []
    for item in error.errors():
        message = item["msg"].removeprefix("Value error, ")
        if not item["loc"]:
            told += message.split("\n")
            continue
        name = str(item["loc"][0])
        got = "" if "password" in name or "url" in name else f" (got {str(item['input'])[:60]!r})"
        told.append(f"{PREFIX}{name.upper()}: {message}{got}; {Settings.model_fields[name].description or 'see docs'}")
    return told


def _mistakes_together(settings: Settings) -> list[str]:
    mistakes = []
    if settings.rtp_end - settings.rtp_start < 99:
        mistakes.append(
            f"{PREFIX}RTP_END: {settings.rtp_start}…{settings.rtp_end} leaves too few ports; "
            "keep CALLCENTER_RTP_END at least 99 above CALLCENTER_RTP_START (4 ports a served call)"
        )
    if settings.asterisk == "external":
        return mistakes + [
            f"{PREFIX}{name.upper()}: is needed with CALLCENTER_ASTERISK=external; set it, or use managed"
            for name in _EXTERNAL_NEEDS
            if getattr(settings, name) is None
        ]
    return mistakes + _port_mistakes(settings)


def _port_mistakes(settings: Settings) -> list[str]:
    mistakes = []
    tcp = {"api_port": settings.api_port, "http_port": settings.http_port, "ami_port": settings.ami_port}
    for name, port in tcp.items():
        twins = [other for other, taken in tcp.items() if other < name and taken == port]
        mistakes += [
            f"{PREFIX}{name.upper()}: {port} is {PREFIX}{twin.upper()} too; give each a port of its own"
            for twin in twins
        ]
    if settings.rtp_start <= settings.sip_port <= settings.rtp_end:
        mistakes.append(f"{PREFIX}SIP_PORT: {settings.sip_port} lies among the audio ports; move one of them")
    return mistakes
