"""The platform's file service, under ``/arc``: the folder that sessions share, over HTTP.

It follows *cavern* of opencadc/vos, version 0.10, quirks included. The folder is the one that sessions see:
a file that arrives here is theirs at once, and the other way round.
"""

from __future__ import annotations
