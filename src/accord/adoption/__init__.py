"""The clone as the adopter's project: what becomes theirs, what stays the template's, and how git merges a later version."""
