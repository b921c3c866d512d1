"""From a raw file to a data set of the project: what is proposed, written, and said about it."""
