"""The typed shape of everything that conf/ may say. Each class documents one section, key by key."""
