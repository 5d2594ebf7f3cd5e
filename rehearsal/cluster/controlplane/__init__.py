"""A real control plane as local processes: certificates, ports, command lines, health checks, one supervisor."""
