"""Free ports for servers under test: those that the demo finds too."""

from api.demo.ports import free_port, free_port_range

__all__ = ["free_port", "free_port_range"]
