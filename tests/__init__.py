"""Mirrors the three rooms; tests/web is the browser. `real_input` and `bench` are programs, not tests."""
