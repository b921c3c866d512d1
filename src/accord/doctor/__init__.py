"""The doctor: what is damaged in a project, what that means, and how it is mended. Checks look and change nothing."""
