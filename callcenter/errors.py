"""The faults we expect: every one is a CallCenterError and says its cause; a bug is an AssertionError."""


class CallCenterError(Exception):
    """Something outside our code went wrong in a way we foresaw; the text names cause and, where known, the fix."""


class TelephonyError(CallCenterError):
    """Asterisk could not do what was asked."""


class ChannelGone(TelephonyError):
    """The channel, bridge or playback ended before the command arrived."""

    def __init__(self, resource_id: str) -> None:
        super().__init__(f"{resource_id} is gone")
        self.resource_id = resource_id


class JournalError(CallCenterError):
    """The local journal can't be read or written; new contacts are refused until it can."""


class DatabaseError(CallCenterError):
    """PostgreSQL can't be reached or refuses; calls go on, reads and reports wait."""


class UnknownAgent(CallCenterError):
    """The site has no such agent."""

    def __init__(self, agent_id: str) -> None:
        super().__init__(f"the site has no agent {agent_id!r}; agents are named in agents.toml")
        self.agent_id = agent_id


class UnknownQueue(CallCenterError):
    """The site has no such queue."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"the site has no queue {queue!r}; queues are named in queues.toml")
        self.queue = queue
