"""SIPp callers and agents for tests: the demo's runner and scenarios."""

from api.demo.sipp import (
    SippFailed,
    SippPlan,
    SippResult,
    SippRun,
    agent_register,
    agent_uas,
    caller_direct,
    caller_menu,
)

__all__ = [
    "SippFailed",
    "SippPlan",
    "SippResult",
    "SippRun",
    "agent_register",
    "agent_uas",
    "caller_direct",
    "caller_menu",
]
