#!/bin/sh
# Prints a Python with which everything works: 3.11 to 3.14, with the modules that a virtual environment needs. Looks at
# the ones given, else at those of this machine. Where there is none, says what each that was found lacks.
check='
import sys
version = "%d.%d" % sys.version_info[:2]
if sys.version_info < (3, 11):
    sys.exit("is Python %s, which is too old" % version)
for module in ("venv", "ensurepip", "ssl"):
    try:
        __import__(module)
    except ImportError:
        sys.exit("is Python %s without its module %s" % (version, module))
sys.exit(3 if sys.version_info >= (3, 15) else 0)
'
# pyenv refuses all its commands where the version that .python-version names is not installed: so look into its folder.
[ -n "$1" ] || set -- python3 python3.14 python3.13 python3.12 python3.11 python "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1-4]*/bin/python
newer=
lacking=
for candidate in "$@"; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    said=$("$candidate" -c "$check" 2>&1)
    case $? in
        0) echo "$candidate"; exit 0 ;;
        3) newer=${newer:-$candidate} ;;
        *) lacking="$lacking
  $candidate $(echo "${said:-does not run}" | head -n 1)" ;;
    esac
done
if [ -n "$newer" ]; then
    echo "$newer is newer than Python 3.14. reviewmirror has not been tried with it." >&2
    echo "$newer"
    exit 0
fi
echo "reviewmirror needs Python 3.11, 3.12, 3.13 or 3.14 with its venv module (on Debian: apt-get install python3-venv)." >&2
echo "What was found:${lacking:- no Python}" >&2
echo 'Is it elsewhere? make PYTHON=/path/to/python …' >&2
exit 1
