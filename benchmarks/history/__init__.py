"""What happened elsewhere, and what happens every day: a small town that the real daemon looks after."""
