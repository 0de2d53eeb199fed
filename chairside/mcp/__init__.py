"""Tools of the Model Context Protocol, with which any AI can book for one patient.

A client of the hub like any other: everything goes over REST with the patient's token, and
the hub decides. What people wrote (names, notes) is handed on as data, quoted as such.
"""
