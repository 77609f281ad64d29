#!/bin/sh
# Prints the first Python on this machine that is 3.11 or newer and can make virtual environments.
for candidate in python3 python3.12 python3.11 python3.13 python3.14 python; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "$candidate"
        exit 0
    fi
done
echo 'reviewmirror needs Python 3.11 or newer with its venv module (on Debian: apt-get install python3-venv).' >&2
echo 'Is it elsewhere? make PYTHON=/path/to/python …' >&2
exit 1
