"""Evaluation of a trained network, and its gates."""
