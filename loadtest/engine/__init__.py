"""What makes the load: Locust's processes, the coordinator, the workers and their transports."""
