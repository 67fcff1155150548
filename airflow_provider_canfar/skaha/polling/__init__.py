"""One poll per account and process, shared by every subscriber: what it asks, what it keeps, whom it wakes.

It observes and never acts; what to do about a session is decided in ``task_sessions`` and
``account_sessions``.
"""

from __future__ import annotations
