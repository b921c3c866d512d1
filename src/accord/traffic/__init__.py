"""Traffic: what the service was asked and what it answered, from the request's log to files by day or to Postgres.

data/traffic/segments/       what workers append to, a segment each; the lock on a segment tells that it is still written
data/traffic/predictions/    complete segments as Parquet by day (UTC), a line a row that was predicted
data/traffic/refusals/       the same of requests that were refused
data/traffic/outcomes/       the same of outcomes, a line each time that one was received
data/traffic/damaged/        lines that are no records, by segment
data/traffic/policy.jsonl    changes of the policy's weights, the latest last
data/traffic/forgotten.jsonl what was erased, and when
data/traffic/housekeeping.json  how the last housekeeping went
"""
