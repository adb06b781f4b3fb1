"""The ceiling of the server's stack: grpc.aio and the same event loop, answering GetScores with an empty message.

python -m benchmarks.empty_server PORT
"""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import Any

import grpc
import uvloop

from driftline.serving.v1 import score_service_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["ScoreService"].full_name


async def answer(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
    """Nothing is decoded, read or encoded."""
    return b""


async def serve(port: int) -> None:
    """Serve until the process is stopped."""
    server = grpc.aio.server()
    handlers = {"GetScores": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    gc.collect()
    gc.freeze()  # as serving/server.py does
    await server.wait_for_termination()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
