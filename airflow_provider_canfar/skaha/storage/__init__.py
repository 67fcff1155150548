"""The platform's file storage, arc, as an async client: what the sessions see under ``/arc``.

The service is cavern (opencadc/vos); comments cite its classes, and those of the libraries below it.
"""

from __future__ import annotations
