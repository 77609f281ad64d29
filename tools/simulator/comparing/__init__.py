"""What a mirror shows, beside what is true.

values                 pure: what a value means, however it is written
comparison, history    pure: reviews against reviews, entries of a history against events
outcome                pure: the findings as a table or an object
reading                the edge: the mirror's read API, and the truth from a simulator or a file
"""
