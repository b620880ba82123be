"""The server of the explorer, and the programs it compiles ahead."""

import logging
import socket
from typing import Any

import panel as pn
from tornado.httputil import HTTPServerRequest
from tornado.netutil import is_valid_ip
from tornado.routing import Matcher, Rule
from tornado.web import HTTPError, RequestHandler

from .._internal.compilation_cache import keep_compiled_programs
from .app import Explorer, prepare
from .compute import Start

LOOPBACK = ("127.0.0.1", "localhost")


class Foreign(Matcher):
    """Matches requests under another host name than those of the server, and requests by pages of other sites.

    Others may let a name of theirs point at this machine: then the explorer has the origin of their page (DNS rebinding).
    """

    def __init__(self, address: str) -> None:
        self.beyond = address not in LOOPBACK
        self.names = {*LOOPBACK, *((address.lower(), socket.gethostname().lower()) if self.beyond else ())}

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        origin = request.headers.get("Origin")
        own_page = origin is None or origin.partition("://")[2].lower() == request.host.lower()
        # Numbers need no name server: nobody else decides where they point.
        named = request.host_name in self.names or (self.beyond and is_valid_ip(request.host_name))
        return None if named and own_page else {}


class Refused(RequestHandler):
    """Answers with 403 and the reason."""

    def prepare(self) -> None:
        raise HTTPError(403, reason="The explorer is not served under this name, or not to this page")


def server_of(address: str, port: int, start: Start | None) -> Any:
    """A server that listens, and has not begun to serve. Raises OSError if it cannot listen there."""
    keep_compiled_programs()
    # Tried first: a server that cannot listen would leave its socket open.
    with socket.create_server((address, port)) as free:
        port = free.getsockname()[1]
    logging.getLogger("bokeh.server.util").setLevel(logging.ERROR)  # it warns of the "*": origins are checked below
    server = pn.io.server.get_server(
        {"/": lambda: Explorer(start).view()},
        address=address, port=port, title="astrojax explorer", websocket_origin="*", verbose=False,
        show=False, start=False,
    )  # fmt: skip
    server._tornado.default_router.rules.insert(0, Rule(Foreign(address), Refused))
    prepare()
    return server
