"""A real control plane as processes of this machine: certificates, ports, command lines, health, one supervisor."""
