"""What the teams want: a policy that acts on predictions, metrics with owners, and how they meet."""
