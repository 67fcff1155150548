"""What a task does about the sessions it launched: plan, reconcile, wait, record, report.

It builds on ``skaha`` alone. Airflow does not appear here, and neither do sessions that somebody else
launched (``account_sessions``).
"""

from __future__ import annotations
