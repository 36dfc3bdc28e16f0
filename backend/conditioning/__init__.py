"""Prompt text → tensors that the U-Net is told."""
