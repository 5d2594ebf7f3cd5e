"""How good a trained network is, and whether it may be published."""
