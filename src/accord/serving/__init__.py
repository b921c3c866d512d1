"""Serving: the BentoML service of a bundle, and what it takes to package and start it."""
