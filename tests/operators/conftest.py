"""Fixtures of the operators' tests."""

from __future__ import annotations

from tests.on_emulator import platform, quick_triggers

__all__ = ["platform", "quick_triggers"]
