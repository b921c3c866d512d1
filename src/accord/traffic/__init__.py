"""Traffic: what the service was asked and what it answered, from the request's log to files by day or to Postgres.

data/traffic/segments/       what workers append to, one segment per worker, which is locked while it is written
data/traffic/predictions/    complete segments as Parquet by day (UTC), with a row per row that was predicted
data/traffic/refusals/       the same for requests that were refused
data/traffic/outcomes/       the same for outcomes, with a row each time that one was received
data/traffic/damaged/        lines that can't be decoded, by segment
data/traffic/policy.jsonl    changes of the policy's weights, the latest last
data/traffic/forgotten.jsonl what was erased, and when
data/traffic/housekeeping.json  how the last compaction went
"""
