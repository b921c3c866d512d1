"""From sources to rows: read, join, check against the contract, split."""
