from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = (
    "import sys, json, driftline.client; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
)


def test_client_needs_grpc_and_protobuf_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout))
    assert {"driftline", "grpc", "google"} <= loaded
    assert loaded.isdisjoint(
        {"pydantic", "redis", "typer", "rich", "serving", "udfs", "sink_connectors", "pyflink", "numpy", "tenacity"}
    )
