"""The MCP server over HTTP closes connections whose requests do not arrive."""

import asyncio
from contextlib import suppress

import pytest

from chairside.mcp.connection import BoundedConnection
from tests.support.mcp_http import serving_http

WITHIN_S = 5.0
HEAD = b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /m",
        HEAD,
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n",
        HEAD + b"Content-Length: 0\r\n\r\n" + HEAD,  # a second request, after a complete one
    ],
)
async def test_a_request_that_does_not_arrive_is_cut(
    sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedConnection, "request_s", 0.1)
    async with serving_http("http://127.0.0.1:9") as url:
        port = int(url.split(":")[2].partition("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        async with asyncio.timeout(WITHIN_S):
            with suppress(ConnectionError):
                while await reader.read(65_536):
                    pass
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
