"""How good the models are: metrics with intervals, by slice, beside the baseline."""
