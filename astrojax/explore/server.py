"""The server of the explorer, and the programs it compiles ahead."""

import logging
import socket
from typing import Any

import panel as pn

from ..compiling import keep_compiled_programs
from .page import Explorer, prepare

LOOPBACK = ("127.0.0.1", "localhost")


def server_of(address: str, port: int, start: tuple[str, bytes] | None) -> Any:
    """A server that listens, and has not begun to serve. Raises OSError if it cannot listen there."""
    keep_compiled_programs()
    # Tried first: the origins need the number of a free port, and a server that cannot listen would leave its socket open.
    with socket.create_server((address, port)) as free:
        port = free.getsockname()[1]
    # Pages of other origins may not talk to a server that is meant for this machine alone.
    origins = [f"{name}:{port}" for name in LOOPBACK] if address in LOOPBACK else ["*"]
    logging.getLogger("bokeh.server.util").setLevel(logging.ERROR)  # it warns of the "*", which `serve` does better
    server = pn.io.server.get_server(
        {"/": lambda: Explorer(start).view()},
        address=address, port=port, title="astrojax explorer", websocket_origin=origins, verbose=False,
        show=False, start=False,
    )  # fmt: skip
    prepare()
    return server
