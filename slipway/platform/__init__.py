"""Operating system and file services that all packages share."""
