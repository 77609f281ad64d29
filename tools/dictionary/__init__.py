"""Makes the dictionary that what Redis holds of reviews is compressed with: `python -m tools.dictionary FILE`.

It is made of reviews that are made up here, never on anybody's data. A dictionary that has been released stays as it
is, as what was written with it is read with it: another one gets a number, and a file, of its own.
"""
