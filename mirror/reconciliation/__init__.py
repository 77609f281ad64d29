"""Reconciliation: the mirror is compared with what Partoo's API shows, and what differs is put into the inboxes.

scope      which reviews are compared
judging    what one review that Partoo shows means for the mirror: pure
ledger     counts and tells what is found, and puts it into the inboxes
sweep      reads the listings from beginning to end
absences   asks again about the reviews that the listings did not show
run        all of it, from where the last run was interrupted
context    what the parts of a run share; its checkpoint says where it stands
listening  what a run reports: the command line prints it, the worker logs it
"""
