"""Simulated GPU nodes: their types, and the objects that create them."""
