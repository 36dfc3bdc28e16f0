"""Tests of backend.sampling."""
