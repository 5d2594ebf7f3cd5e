"""The load generator: Locust's processes, the coordinator, the workers and their transports."""
