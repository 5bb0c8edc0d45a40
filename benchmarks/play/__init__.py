"""A system that is not there: it exports what a pack's inventory lists, falls ill as its scenarios say, and obeys."""
