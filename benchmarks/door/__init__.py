"""A door for webhooks at its barest, a crowd that knocks at it, and the daemon behind the same kind of door."""
