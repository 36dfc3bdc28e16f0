"""Checkpoint files → modules on a device."""
