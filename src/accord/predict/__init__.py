"""Batch prediction: files of rows, written with what a bundle answers for each."""
