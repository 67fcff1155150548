"""Sessions as they run: their states, their local processes, and what stops both.

Nothing here knows HTTP or JSON, or decides whether a create is accepted.
"""

from __future__ import annotations
