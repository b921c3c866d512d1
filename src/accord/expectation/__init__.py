"""What a model's traffic is expected to look like: scores of drift, and how large they get by chance."""
