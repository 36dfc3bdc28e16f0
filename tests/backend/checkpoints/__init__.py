"""Checkpoint files → modules."""
