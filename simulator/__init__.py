"""A Partoo to run on a laptop: it signs events and sends them over real HTTP, and redelivers as Partoo documents.

It imports nothing of the system it is pointed at: its own idea of the wire format is what makes it a check.

    wire, keys, fields, scenario, report    pure: bytes, signatures, scenarios and their story; no network, no clock
    key_file, library, sending, playing     the edges: files, HTTP, waiting
    cli, commands                           what a person or a script types
"""
