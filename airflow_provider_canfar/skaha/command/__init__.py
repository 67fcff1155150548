"""From a command line and an environment to the ``cmd``, ``args`` and ``env`` that survive the server.

Everything here is pure: no I/O, and nothing about sessions beyond what runs in them.
"""

from __future__ import annotations
