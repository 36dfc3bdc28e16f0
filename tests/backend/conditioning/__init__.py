"""Prompts as tensors, on tiny random text encoders."""
