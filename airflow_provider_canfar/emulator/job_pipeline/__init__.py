"""What happens to a create's cmd, args and env until there is a container: pure functions from text to text.

Nothing here does I/O, knows HTTP or holds state, and nothing here imports another folder of the emulator.
"""

from __future__ import annotations
