"""What a table that nobody has described seems to hold: how it is written, what its columns are, and what could be predicted."""
