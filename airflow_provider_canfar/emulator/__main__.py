"""``python -m airflow_provider_canfar.emulator``: runs an emulator until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from airflow_provider_canfar.emulator.extra import missing_package

try:
    from airflow_provider_canfar.emulator.api.same_origin import is_loopback
    from airflow_provider_canfar.emulator.config import EmulatorConfig, Settings
    from airflow_provider_canfar.emulator.faults.switched import KINDS
    from airflow_provider_canfar.emulator.images import ImageLibrary
    from airflow_provider_canfar.emulator.runtime.sessions import HEADLESS
    from airflow_provider_canfar.emulator.server import EmulatorServer
except ModuleNotFoundError as error:
    if __name__ != "__main__":
        raise
    sys.exit(missing_package(error))

TOKEN_VARIABLE = "CANFAR_EMULATOR_TOKEN"  # noqa: S105 - a variable's name
PASSWORD_VARIABLE = "CANFAR_EMULATOR_PASSWORD"  # noqa: S105 - a variable's name
PARENT_CHECK_INTERVAL = 0.5

#: The fewest characters of a chosen token or password for other addresses than loopback.
MIN_SECRET = 16


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_canfar.emulator",
        description="Emulates the CANFAR Science Platform: its v1 API, with your own processes as headless "
        "sessions, and a page that shows them. Anyone with the token can run any program as you, so the "
        "emulator listens on loopback by default, and answers only to the names of loopback and of --host.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add(
        "--allow-host",
        action="append",
        metavar="NAME",
        default=[],
        help="another name by which clients reach it; requests by an unknown name are refused",
    )
    add("--port", type=int, default=8099, help="port to listen on (%(default)s); 0 picks a free one")
    add("--port-file", type=Path, metavar="FILE", help="write the port to this file once the emulator is up")
    add(
        "--token",
        default=os.environ.get(TOKEN_VARIABLE),
        help=f"bearer token of the account (generated, and printed); prefer the variable {TOKEN_VARIABLE}, "
        "which no process list shows",
    )
    add("--user", default=Settings.user, help="name of the account (%(default)s)")
    add(
        "--password",
        default=os.environ.get(PASSWORD_VARIABLE),
        help=f"password for /ac/login (none: every login fails); prefer the variable {PASSWORD_VARIABLE}",
    )
    add("--state-folder", type=Path, metavar="FOLDER", help="keep the sessions' files in this folder")
    add("--certificate", type=Path, metavar="FILE", help="speak HTTPS with the certificate in this PEM file")
    add("--private-key", type=Path, metavar="FILE", help="key of the certificate, if it is not in its file")
    add("--seed", type=int, metavar="N", help="make random faults repeatable")
    add("--exit-with-parent", action="store_true", help="stop when the parent process has ended")

    images = parser.add_argument_group("images", "Patterns are shell patterns. Each option can be repeated.")
    add = images.add_argument
    add("--image-host", action="append", metavar="HOST", help="trusted registry (images.canfar.net)")
    add(
        "--known-image",
        action="append",
        metavar="PATTERN",
        default=[],
        help="images that start without registry credentials, in addition to images.canfar.net/skaha/*",
    )
    add(
        "--image-folder",
        action="append",
        metavar="PATTERN=FOLDER",
        default=[],
        type=_image_folder,
        help="folder that comes first in the PATH of these images, such as a virtual environment's bin; for "
        "all other images it is the folder of the Python that runs the emulator",
    )

    add(
        "--listed-image",
        action="append",
        metavar="NAME[=KIND,...]",
        type=_listed_image,
        help="an image that GET /image lists, with the kinds of its sessions (headless); the images named "
        "here replace the emulator's own list, and --strict-images runs no others",
    )

    config = parser.add_argument_group(
        "configuration", "Seconds or numbers, and words. Each value can be changed while the emulator runs."
    )
    for field in dataclasses.fields(EmulatorConfig):
        _add_option(images if field.name == "strict_images" else config, field)

    faults = parser.add_argument_group(
        "faults",
        "What goes wrong from the start; while the emulator runs, its page and its admin API switch faults "
        f"on and off. The kinds are {', '.join(KINDS)}; docs/emulator.md explains them and their arguments.",
    )
    faults.add_argument(
        "--fault",
        action="append",
        metavar="KIND[=JSON]",
        default=[],
        type=_fault,
        help="""switch a fault on, as in --fault 'busy={"rate": 0.05}'; this can be repeated""",
    )
    return parser


def _add_option(group: argparse._ArgumentGroup, field: dataclasses.Field[Any]) -> None:
    option, help_text = f"--{field.name.replace('_', '-')}", field.metadata["help"]
    if isinstance(field.default, bool):
        group.add_argument(option, action="store_true", default=field.default, help=help_text)
        return
    help_text += f" ({str(field.default).removesuffix('.0')})"
    if isinstance(field.default, str):
        choices = field.metadata["choices"]
        group.add_argument(option, choices=choices, default=field.default, help=help_text)
    else:
        group.add_argument(option, type=float, default=field.default, metavar="N", help=help_text)


def main(argv: list[str] | None = None) -> None:
    """Run an emulator until SIGINT or SIGTERM.

    :param argv: the command line; by default the process's own.
    """
    parser = command_line()
    options = parser.parse_args(argv)
    _check_secrets(parser, options)
    try:
        config = EmulatorConfig().updated(
            {field.name: getattr(options, field.name) for field in dataclasses.fields(EmulatorConfig)}
        )
        settings = _settings(options)
        server = EmulatorServer(settings, config, options.host, options.port)
    except (OverflowError, ValueError) as error:
        parser.error(str(error))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        sys.exit(f"Cannot listen on {options.host}:{options.port}: {reason}. Try --port 0.")
    asyncio.run(_run(server, options, settings.token))


def _check_secrets(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Reject what is easily guessed where other machines can guess; what is generated is long enough."""
    if is_loopback(options.host):
        return
    for name in ("token", "password"):
        if 0 < len(getattr(options, name) or "") < MIN_SECRET:
            parser.error(
                f"{options.host} is not loopback: choose a --{name} of at least {MIN_SECRET} characters"
            )


def _settings(options: argparse.Namespace) -> Settings:
    library = ImageLibrary()
    given = {"token": options.token} if options.token else {}
    return Settings(
        **given,
        user=options.user,
        password=options.password or None,
        hostname=options.host,
        allowed_hosts=tuple(options.allow_host),
        state_folder=options.state_folder,
        images=dataclasses.replace(
            library,
            hosts=tuple(options.image_host or library.hosts),
            known=tuple(options.known_image),
            listed=dict(options.listed_image) if options.listed_image else library.listed,
            folders=tuple(options.image_folder),
        ),
        certificate=options.certificate,
        private_key=options.private_key,
        seed=options.seed,
        faults=dict(options.fault),
    )


async def _run(server: EmulatorServer, options: argparse.Namespace, token: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)

    def announce() -> None:
        connection = json.dumps({"conn_type": "canfar", "host": server.url, "password": token})
        print(f"URL:   {server.url}\nToken: {token}\nPage:  {server.page_url}")
        print(f"\nexport AIRFLOW_CONN_CANFAR_DEFAULT='{connection}'", flush=True)
        if options.port_file:
            unfinished = options.port_file.with_suffix(".new")
            unfinished.write_text(f"{server.port}\n", encoding="ascii")
            unfinished.replace(options.port_file)

    parent_check = asyncio.create_task(_stop_with_parent(server)) if options.exit_with_parent else None
    await server.run(announce)
    if parent_check:
        parent_check.cancel()


async def _stop_with_parent(server: EmulatorServer) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - no event announces the end of a parent process
        await asyncio.sleep(PARENT_CHECK_INTERVAL)
    server.stop()


def _image_folder(text: str) -> tuple[str, Path]:
    pattern, separator, folder = text.partition("=")
    if not separator or not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} must be PATTERN=FOLDER, and the folder must exist")
    return pattern, Path(folder).resolve()


def _listed_image(text: str) -> tuple[str, tuple[str, ...]]:
    name, _, kinds = text.partition("=")
    return name, tuple(kinds.split(",")) if kinds else (HEADLESS,)


def _fault(text: str) -> tuple[str, dict[str, Any]]:
    kind, _, arguments = text.partition("=")
    try:
        values = json.loads(arguments or "{}")
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise argparse.ArgumentTypeError(f"{text!r} must be KIND or KIND=JSON, where JSON is an object")
    return kind, values


if __name__ == "__main__":
    main()
