"""The command line, `actverse`: a client of the REST interface, and the operator's verbs."""
