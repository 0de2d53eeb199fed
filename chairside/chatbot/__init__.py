"""A conversation that books, moves and cancels appointments, without any model.

`understanding` turns text into dialogue acts. Acts and the hub's answers go through a pure
state machine, `dialogue`. A thin shell, `conversation`, carries out what the machine wants in
one patient's calendar at the hub, `patient_calendar`. The hub decides everything; the chatbot
acts for one patient.
"""
