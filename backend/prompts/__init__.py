"""Prompt text in, prompt text and numbers out; no torch here."""
