"""The transports: gRPC and HTTP, each blocking and asyncio.

`grpc_transport` and `http_transport` send operations and have the messages of a prediction; those of all other
operations are in `grpc_control` and `http_control`. Below, `grpc_channel` and `http_connection` open connections,
through a proxy (`proxies`) and to an address (`resolve`).
"""
