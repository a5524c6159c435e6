"""The order of waiting contacts: lowest tier rank, then age, then id; a key that time does not change."""

from __future__ import annotations

from typing import TypeAlias

Priority: TypeAlias = tuple[int, float, str]
"""Smaller is served first. Ends in the contact id, so the order is total."""


def priority(value_tier: int, entered_at: float, contact_id: str) -> Priority:
    """The place of a contact among the waiting, fixed for as long as it waits."""
    return (value_tier, entered_at, contact_id)
