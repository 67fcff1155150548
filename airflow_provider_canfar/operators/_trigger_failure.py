"""How Airflow resumes a task whose trigger gave no event."""

from __future__ import annotations

#: What Airflow says in place of "resume" when it ends a deferred task by itself (TRIGGER_FAIL_REPR).
TRIGGER_FAILED = "__fail__"

#: And what it adds when no triggerer was alive in time (TriggerFailureReason.TRIGGER_TIMEOUT).
TRIGGER_TIMED_OUT = "Trigger timeout"
