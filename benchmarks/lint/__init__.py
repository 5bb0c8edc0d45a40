"""The corpus of faults, and how it is gone through."""
