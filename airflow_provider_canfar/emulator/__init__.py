"""The CANFAR Science Platform on one machine: its v1 API, its warts, and real processes as sessions.

``python -m airflow_provider_canfar.emulator`` starts it, and :mod:`airflow_provider_canfar.testing` does in a
test. It re-implements the server's rules by itself, from the server's own code, and imports nothing of the
client that is tested against it. Where a rule is a wart, the module that has it names the class of the server
(opencadc/science-platform, version 1.4) that it comes from.

From a request to a process::

    server              listens, on one socket, for one emulator
    fault_injection     what goes wrong on the way, as faults say
    app, admin          the platform's API, and the emulator's own
      parameters        a request's parameters, as Tomcat and SyncInput read them
      accounts          whose request it is
      server_rules      what the server refuses of a create, and in which order
      bundle            cmd, args and env -> the container, by way of
        replacement     Java's String.replaceAll
        snakeyaml, job  the server's YAML library, and the Job that it reads
        kubectl         what kubectl makes of that, and what the API server refuses of it
        kubelet         $(NAME)
      credential        a bearer token, or the cookie of a browser
      refusal, answers  no, and yes
      browser, connect  what a person meets: the page at ``/``, and interactive sessions
      overview, assets  what the page shows, and the files of which it is made
    platform            every session of one emulator: create, list, delete, renew
      sessions, shown   one session, and how the service shows it
      lives             what brings a session from the queue to its end
      processes         the local processes, and the guardian that outlives the emulator
      images            which images exist, and where on this machine each runs
"""

from __future__ import annotations
