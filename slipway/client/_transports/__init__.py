"""How an operation reaches a server and its answer comes back: gRPC and HTTP, each blocking and asyncio.

`grpc_transport` and `http_transport` carry, `grpc_codec` and `http_codec` write and read. Below them, `grpc_channel`
and `http_connection` open connections, through a proxy (`proxies`) and to an address (`resolve`).
"""
