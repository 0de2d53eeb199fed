"""Tools of the Model Context Protocol, with which an AI books for one patient.

A client of the hub like any other: every tool sends REST requests with the patient's token, and
the hub decides. Text that people wrote (names, notes) is returned as data, marked as quoted.
"""
