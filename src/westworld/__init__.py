"""The reference Charter service: a seeded world model with an HTTP shell."""
