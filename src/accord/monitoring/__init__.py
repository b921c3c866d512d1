"""Watching the traffic: has it moved away from the rows that the model was built on, or is it only another Tuesday?"""
