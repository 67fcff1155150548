"""Sessions of an account, no matter what launched them: conditions, ends, cleanup, free capacity.

It builds on ``skaha`` alone. Airflow does not appear here, and neither does what a task knows about its own
sessions (``task_sessions``).
"""

from __future__ import annotations
