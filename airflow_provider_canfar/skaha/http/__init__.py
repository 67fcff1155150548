"""HTTP to the platform: one request, its response, its errors, its retries.

What a request means to the platform (sessions, commands, lists) belongs in ``skaha`` itself, not here.
"""

from __future__ import annotations
