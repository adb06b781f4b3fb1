"""The REST gateway: JSON over HTTP for callers without gRPC. It asks the gRPC server, and holds nothing itself."""
