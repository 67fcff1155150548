"""Faults to switch on while the emulator runs: what the platform does on a bad day, or once did.

Each kind of fault is a class, and its name is the class's in snake case: ``faults(short_list={"count": 3})``
switches on :class:`~airflow_provider_canfar.emulator.faults.row_faults.ShortList`.

``request_faults``  what goes wrong between a request and its response
``row_faults``      what is odd in a list of sessions
``pod_faults``      what is odd in a session's events, and images that cannot be pulled
``storage_faults``  what goes wrong in the file service
``encodings``       how a message may repeat what it was sent
``switched``        the faults that are on
"""

from __future__ import annotations
