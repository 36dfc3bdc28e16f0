"""Prompt texts: parsing, tokens, styles."""
