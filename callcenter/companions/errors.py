"""What can go wrong with a companion; each error's text names the cause and the fix."""

from collections.abc import Sequence

from callcenter.errors import CallCenterError


class CompanionError(CallCenterError):
    """A companion could not be started, reached or understood."""

    def __init__(self, cause: str, fix: str) -> None:
        super().__init__(f"{cause}\n  fix: {fix}")
        self.cause = cause
        self.fix = fix


class InstanceInUse(CompanionError):
    """Another process of ours looks after the companion of this instance."""


class PortInUse(CompanionError):
    """A port that the companion needs belongs to somebody else."""


class NotProvisioned(CompanionError):
    """There is no program to start."""


class StartFailed(CompanionError):
    """The companion ended, or never became ready, while it started."""


class PlanError(CallCenterError):
    """A plan holds values that can't be rendered; `mistakes` has all of them."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)
