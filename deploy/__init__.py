"""How Actverse is set up and run; nothing in `shared` or `services` imports from here."""
