"""What people look at: one self-contained page a run."""
