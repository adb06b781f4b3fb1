"""Package metadata, and the build of the compiled core.

requirements.lock pins every version for the job and for development, requirements-serving.lock those of a server alone;
the ranges here say what Driftline needs, and why. The core (what folds and scores
events) is compiled by mypyc where there is a C compiler, and else stays the Python that it is, with the same results
(docs/decisions/0011-compiled-core.md). DRIFTLINE_COMPILE=0 leaves it interpreted.
"""

import os
import sys
from glob import glob
from pathlib import Path
from runpy import run_path

from setuptools import Extension, find_packages, setup


def core_sources() -> list[str]:
    """Return what is compiled: what scripts/compiled.txt names, without what it excepts, and without package files."""
    lines = Path("scripts/compiled.txt").read_text().split()
    excepted = {line.removeprefix("!") for line in lines if line.startswith("!")}
    found = {file for line in lines for file in glob(line)}
    return sorted(file for file in found - excepted if not file.endswith("__init__.py"))


def compiled_core() -> list[Extension]:
    """Return the extension modules to build: none where they are not wanted or mypyc is missing."""
    # Installers ask for the metadata before they build, and compiling takes half a minute.
    asked_for_metadata = {"egg_info", "dist_info"} & set(sys.argv)
    if asked_for_metadata or os.environ.get("DRIFTLINE_COMPILE") == "0":
        return []
    try:
        from mypyc.build import mypycify  # noqa: PLC0415  (of the build's environment)
    except ImportError:
        return []
    sources = core_sources()
    # The build's environment may lack the libraries that the core uses; `make check` is where types are checked.
    flags = ["--config-file=", "--ignore-missing-imports", "--follow-imports=silent"]
    run_path("udfs/compilation.py")["record"](Path(), sources)
    extensions: list[Extension] = mypycify([*flags, *sources], opt_level="3", debug_level="0", group_name="udfs.core")
    for extension in extensions:
        extension.optional = True  # without a compiler the build goes on
        extension.extra_compile_args.append("-ffp-contract=off")  # else ARM would round a sum of a product once
    return extensions


PACKAGES = (
    "driftline",
    "udfs",
    "state_schemas",
    "declarations",
    "sink_connectors",
    "history",
    "training",
    "serving",
    "jobs",
    "console",
)

CORE = [
    "protobuf>=5.26,<7",  # events, state and scores; beside Beam, which apache-flink needs, it stays below 6
    "pydantic-settings>=2.6",  # one typed catalogue of settings, from flags and environment
    "typer>=0.15",  # the command line
    "rich>=13",  # tables and the demo's live view
    "redis>=5,<6",  # the score store's client; Beam stops below 6
    "hiredis>=3",  # parses Redis replies in C
    "tenacity>=9",  # bounded retries
]
JOBS = [
    "apache-flink==2.3.0",
    "apache-beam==2.61.0",  # apache-flink alone lets a resolver stray to older releases, built from source
    "kafka-python[crc32c]>=3.0",  # topics, publishing, offsets; checksums in C, not Python
    "pyarrow>=16,<17",
    "numpy>=2,<2.2",
    "scikit-learn>=1.6",  # trains the model
    "skl2onnx>=1.20",  # stores it as ONNX: loading one runs no code
    "onnxruntime>=1.20",  # scores a block in tens of microseconds
    "xxhash>=3",  # 64-bit hashes of event ids
    "zstandard>=0.22",  # reads files of events that are compressed with it
    "psutil>=6",  # the local stack stops only the processes it started
    "duckdb>=2,<3",  # answers SQL over the lake, from pyarrow's files: without extensions, also from S3
    "filelock>=3",  # one download of the broker at a time
    "cel-python>=0.5,<0.6",  # the grammar of the expressions in declarations
    "ruamel.yaml>=0.18",  # declarations are YAML 1.2; it gives the line and column of what is wrong
]
SERVING = [
    "grpcio>=1.65",  # faces the network, so without a bound; beside Beam it stays below 1.66
    "grpcio-health-checking>=1.62",
    "grpcio-reflection>=1.62",
    "uvloop>=0.21; platform_system != 'Windows'",  # a faster event loop
    "prometheus-client>=0.21",  # metrics, added up over the workers
    "cachetools>=5",  # the last scores seen, bounded in number and age
    "circuitbreaker>=2.1",  # leaves a Redis alone that does not answer
]
TRACING = [
    "opentelemetry-sdk>=1.30",  # spans; off unless OTEL_* variables name an exporter
    "opentelemetry-exporter-otlp-proto-http>=1.30",  # over HTTP: the gRPC one pins grpcio
]
CLIENT = ["grpcio>=1.65"]
REST = [
    *CLIENT,
    "grpcio-health-checking>=1.62",  # asks how the score server is
    "starlette>=0.47",  # routes and answers
    "uvicorn>=0.34",  # speaks HTTP
    "sse-starlette>=2.3",  # server-sent events: pings, and a client that has gone
]
REGISTRY = [
    "confluent-kafka[schemaregistry]>=2.12",  # the registry's own client: retries, several addresses, TLS, OAuth
    "fastavro>=1.9",  # reads Avro; comes with Beam, too
]
NOTEBOOKS = ["nbclient>=0.10", "nbformat>=5", "ipykernel>=6", "matplotlib>=3.9"]
DEV = [
    "pytest>=8",
    "pytest-timeout>=2",
    "hypothesis>=6",  # properties of the core
    "ruff",
    "mypy",
    "types-protobuf>=5.29,<6",
    "types-psutil",
    "types-cachetools",
    "grpcio-tools>=1.65,<1.66",  # protoc
    "mypy-protobuf>=3.6,<4",  # types of the generated code
    "buf-bin",  # lint of the protobuf contracts
    "schemathesis>=4",  # calls the REST door in every way that its OpenAPI document allows, and in others
    "openapi-spec-validator>=0.7",  # that document is valid OpenAPI 3.1
    "jsonschema>=4.23",  # the schema of declarations is one, and accepts what is shipped
    "trustme>=1.2",  # certificates for the tests of TLS
    "httpx>=0.28",  # tests speak HTTP with it
    "import-linter>=2.17",  # which folders may import which
]

setup(
    name="driftline",
    version="0.1.0",
    description="Turns event streams into personalization scores: PyFlink, scikit-learn, Redis, gRPC",
    license="Apache-2.0",
    python_requires=">=3.11,<3.12",
    packages=find_packages(include=[f"{folder}*" for folder in PACKAGES]),
    ext_modules=compiled_core(),
    package_data={
        "sink_connectors": ["*.lua"],
        "driftline": ["py.typed"],
        "declarations": ["retail/*.yaml", "templates/*/*.yaml"],
        "console": ["demo/*.yaml", "local/*.yaml", "local/*.properties", "local/*.sha256"],
    },
    install_requires=CORE,
    extras_require={
        "jobs": JOBS,
        "client": CLIENT,
        "serving": SERVING,
        "tracing": TRACING,
        "rest": REST,
        "registry": REGISTRY,
        "notebooks": NOTEBOOKS,
        "dev": DEV,
    },
    entry_points={"console_scripts": ["driftline = console.cli:main"]},
)
