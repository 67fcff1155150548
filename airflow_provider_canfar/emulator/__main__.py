"""``python -m airflow_provider_canfar.emulator``: the platform on this machine, until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import ipaddress
import os
import signal
import sys
from pathlib import Path

from airflow_provider_canfar.emulator.config import EmulatorConfig, Settings
from airflow_provider_canfar.emulator.images import ImageLibrary
from airflow_provider_canfar.emulator.server import EmulatorServer

TOKEN_VARIABLE = "CANFAR_EMULATOR_TOKEN"  # noqa: S105 - a variable's name
LOOK_FOR_PARENT_EVERY = 0.5


def command_line() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_canfar.emulator",
        description="Emulates the CANFAR Science Platform: its v1 API, with headless sessions as processes "
        "of yours, and a page that shows them. Who has the token can run any program as you, so it listens "
        "on loopback by default.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s); another needs a token")
    add("--port", type=int, default=8099, help="port to listen on (%(default)s); 0 takes a free one")
    add("--port-file", type=Path, metavar="FILE", help="write the port there, once it answers")
    add(
        "--token",
        default=os.environ.get(TOKEN_VARIABLE),
        help=f"bearer token of the account ({Settings.token}); better by the variable {TOKEN_VARIABLE}, "
        "which no list of processes shows",
    )
    add("--user", default=Settings.user, help="name of the account (%(default)s)")
    add("--password", help=f"its password for /ac/login ({Settings.password}, on loopback)")
    add("--state-folder", type=Path, metavar="FOLDER", help="keep the sessions' files there")
    add("--seed", type=int, metavar="N", help="make the faults' dice fall the same way every time")
    add("--exit-with-parent", action="store_true", help="stop when the process that started it has ended")

    images = parser.add_argument_group("images", "Patterns are as a shell's. All options can be repeated.")
    add = images.add_argument
    add("--image-host", action="append", metavar="HOST", help="trusted registry (images.canfar.net)")
    add(
        "--known-image",
        action="append",
        metavar="PATTERN",
        default=[],
        help="images that start without registry credentials, beside images.canfar.net/skaha/*",
    )
    add(
        "--image-folder",
        action="append",
        metavar="PATTERN=FOLDER",
        default=[],
        type=_image_folder,
        help="images whose PATH begins with a folder, such as a virtual environment's bin; for all others, "
        "it begins with the folder of the Python that runs this",
    )

    config = parser.add_argument_group("config", "Seconds, or a number. All can be turned while it runs.")
    for field in dataclasses.fields(EmulatorConfig):
        option = f"--{field.name.replace('_', '-')}"
        help_text = f"{field.metadata['meaning']} ({str(field.default).removesuffix('.0')})"
        config.add_argument(option, type=float, default=field.default, metavar="N", help=help_text)
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run an emulator until SIGINT or SIGTERM.

    :param argv: the command line; the process's own when left out.
    """
    parser = command_line()
    options = parser.parse_args(argv)
    if not _is_loopback(options.host) and options.token in (None, "", Settings.token):
        parser.error(f"{options.host} is not loopback: choose a --token that nobody can guess")
    try:
        config = EmulatorConfig().updated(
            {field.name: getattr(options, field.name) for field in dataclasses.fields(EmulatorConfig)}
        )
        server = EmulatorServer(_settings(options), config, options.host, options.port)
    except (OverflowError, ValueError) as error:
        parser.error(str(error))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        sys.exit(f"Cannot listen on {options.host}:{options.port}: {reason}. Try --port 0.")
    asyncio.run(_run(server, options))


def _settings(options: argparse.Namespace) -> Settings:
    library = ImageLibrary()
    # On loopback the login has a default password; elsewhere, without one of the user's, there is no login.
    default_password = Settings.password if _is_loopback(options.host) else None
    return Settings(
        token=options.token or Settings.token,
        user=options.user,
        password=options.password or default_password,
        hostname=options.host,
        state_folder=options.state_folder,
        images=dataclasses.replace(
            library,
            hosts=tuple(options.image_host or library.hosts),
            known=(*library.known, *options.known_image),
            folders=tuple(options.image_folder),
        ),
        seed=options.seed,
    )


async def _run(server: EmulatorServer, options: argparse.Namespace) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)

    def announce() -> None:
        token = options.token or Settings.token
        print(f"URL:   {server.url}\nToken: {token}\nPage:  {server.page_url}", flush=True)
        if options.port_file:
            fresh = options.port_file.with_suffix(".new")
            fresh.write_text(f"{server.port}\n", encoding="ascii")
            fresh.replace(options.port_file)

    watch = asyncio.create_task(_stop_with_parent(server)) if options.exit_with_parent else None
    await server.run(announce)
    if watch:
        watch.cancel()


async def _stop_with_parent(server: EmulatorServer) -> None:
    parent = os.getppid()
    while os.getppid() == parent:  # noqa: ASYNC110 - nobody announces a parent's end
        await asyncio.sleep(LOOK_FOR_PARENT_EVERY)
    server.stop()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _image_folder(text: str) -> tuple[str, Path]:
    pattern, separator, folder = text.partition("=")
    if not separator or not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not PATTERN=FOLDER with a folder that exists")
    return pattern, Path(folder).resolve()


if __name__ == "__main__":
    main()
