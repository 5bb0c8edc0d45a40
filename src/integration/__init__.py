"""Adapters: one module per system that the daemon speaks with; nothing here decides."""
