"""Tests of the page: its routes and values, and itself in a real browser over a service that only pretends to draw."""
