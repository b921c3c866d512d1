"""The typed shape of everything that conf/ may say. Each class documents one section, key by key.

The values stand in conf/, each once, so that there is one place to look them up and to change them: a section has types
and bounds, and no default. What users write, the sections data and objective, begins with conf/_base.yaml; it may leave a
key out whose absence says that there is none of it (null, empty, false)."""
