"""The HTTP API: the platform's v1 calls under the server's rules, and the emulator's own admin calls.

Nothing here keeps a session's state, starts a process or renders a page.
"""

from __future__ import annotations
