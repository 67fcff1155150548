"""Sessions of an account, no matter what launched them: conditions, ends, cleanup, free capacity.

It builds on ``skaha`` alone. It knows neither Airflow nor what a task knows about its own sessions
(``task_sessions``).
"""

from __future__ import annotations
