"""A conversation that books, moves and cancels appointments, without any model.

:mod:`~chairside.chatbot.understanding` turns text into wishes. Wishes and the answers of the
clinic go through a pure state machine (:mod:`~chairside.chatbot.dialogue`). A thin shell
(:mod:`~chairside.chatbot.conversation`) does what the machine requests, over a port
(:mod:`~chairside.chatbot.port`). The hub decides everything; the chatbot acts for one patient.
"""
