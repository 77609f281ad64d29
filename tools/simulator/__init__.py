"""A Partoo to run on a laptop: it signs events and sends them over real HTTP, and redelivers as Partoo documents.

It imports nothing of the system it is pointed at: its own idea of the wire format is what makes it a check.

    wire, keys, fields, scenario, report    pure: bytes, signatures, scenarios and their story; no network, no clock
    population, planning, tally             pure: reviews that live, what the wire makes of it, what became of it
    comparing                               what a mirror shows beside what is true
    api                                     Partoo's REST API over such a population
    key_file, library, sending, playing     the edges: files, HTTP, waiting
    clock, serving, running, progress       the edges of a run of `serve`
    cli, commands                           what a person or a script types
"""
