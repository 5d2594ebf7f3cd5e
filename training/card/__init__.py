"""The model card: what a version is, for machines and for people."""
