"""A conversation that books, moves and cancels appointments, without any model.

Text becomes :class:`~api.chatbot.wishes.Wish` (:mod:`~api.chatbot.understanding`), wishes and
what the clinic answers go through a pure state machine (:mod:`~api.chatbot.dialogue`), and a
thin shell (:mod:`~api.chatbot.conversation`) does what the machine asks for over a port
(:mod:`~api.chatbot.port`). The hub decides everything; the chatbot only ever asks it as the
one patient it acts for.
"""
