"""Pages for a person with a browser: the emulator's own page, and what an interactive session shows.

Nothing here changes a session; the pages do that through the API.
"""

from __future__ import annotations
