"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes is no property of the code: machines are shared.
settings.register_profile("canfar", deadline=None)
settings.load_profile("canfar")
