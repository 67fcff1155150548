"""The CANFAR Science Platform on one machine: its v1 API, quirks included, with local processes as sessions.

``python -m airflow_provider_canfar.emulator`` starts one, and :mod:`airflow_provider_canfar.testing` starts
one for a test. The emulator implements the server's rules from the server's own code and imports nothing else
of this package, so a test of the client does not compare the client with itself. Where a rule is a quirk, the
module cites the server's class (opencadc/science-platform, version 1.4).

Imports point down this list::

    __main__, server       the command line, and the socket with uvicorn behind it
    app                    the ASGI application, assembled from the folders
    web/                   pages: the emulator's own at ``/``, and those of interactive sessions
    storage/               the platform's file service, under ``/arc``
      file_service         all its routes
      file_routes          the bytes of files, with uploads and downloads
      node_routes          folders and properties, with listing and node_xml
      node_tree            the folder that sessions share, and who may use what in it
      node_uri             names, as Tomcat and java.net.URI read them
      moves, deletes       what its jobs do
      negotiation          where a client reads and writes bytes, with transfers and preauth
      properties, quota    what is stored of a file, and how many bytes there may be
    api/                   the platform's API, the login beside it, and the admin API
      fault_injection      what goes wrong between a request and its response
      rows                 a list of sessions, and what faults make of it
      same_origin          keeps the pages of other sites out
      parameters, bodies   a request's parameters, as Tomcat and SyncInput read them
      accounts, credentials  who sends a request
      request_rules        what the server checks of a create, and in which order
      serializers          how the service shows a session
      provider_names       which task a session is of, where its name tells it
      tomcat               the pages for requests that do not reach the server's code
    runtime/               sessions, their states and their processes
      platform             every session of one emulator
      lifecycle            takes a session from the queue to its end
      usage                what the sessions' processes use
      processes, reaper    local processes, and the program that ends them if the emulator is killed
    job_pipeline/          cmd, args and env -> the container that runs
      job_template         the server's YAML template, filled in by way of
        java_regex         Java's String.replaceAll
      snakeyaml, job       the server's YAML library, and the Job that it reads
      kubectl              what kubectl makes of that Job, and what the API server rejects
      kubelet              $(NAME)
    faults/                what can be made to go wrong
    config, images         settings, and known images
    extra                  what to install
"""

from __future__ import annotations
