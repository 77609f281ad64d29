"""The whole stack on one machine, for `make demo` and `make run`. Not part of what is deployed."""
