"""The reference Charter service: a seeded world model with an HTTP shell."""

__version__ = "1.0.0"
