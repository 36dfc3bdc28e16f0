"""Tests of backend.networks."""
