"""Sources read, joined at decision time, and batches of labelled traffic added: the rows as stage ingest writes them."""
