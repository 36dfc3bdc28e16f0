"""Tests of backend.workers."""
