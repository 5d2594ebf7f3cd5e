"""A real control plane as local processes: its programs, nodes, gateway and monitoring."""
