"""The transports: gRPC and HTTP, each blocking and asyncio.

`grpc_transport` and `http_transport` send operations, `grpc_codec` and `http_codec` encode and decode them. Below,
`grpc_channel` and `http_connection` open connections, through a proxy (`proxies`) and to an address (`resolve`).
"""
