"""Tests of backend/images."""
