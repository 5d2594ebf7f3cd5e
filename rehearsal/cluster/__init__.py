"""A real control plane on this machine, as processes: its programs, nodes, gateway and monitoring."""
