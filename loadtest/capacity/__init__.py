"""Capacity: search the highest rate at which one replica meets its objectives, and write the file."""
