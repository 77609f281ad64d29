#!/bin/sh
# Brings the programs that some tests need and that no Python package has. `make check` skips those tests where a program
# is missing, and says so; CI calls this first and sets REVIEWMIRROR_CI=1, which makes a missing program an error.
#
#     sh tools/dev/ci-tools.sh            what is missing, by Debian's packages; tests look on the PATH and into .tools/
#
# Each tool is one line at the end: the program to look for, how to get it, and the package.
set -eu
cd "$(dirname "$0")/../.."
TOOLS=$PWD/.tools
PATH=$PATH:$TOOLS/usr/bin
updated=

update() {
    [ -z "$updated" ] && [ "$(id -u)" = 0 ] && apt-get update -qq
    updated=yes
}

# Takes a package's files into .tools/: needs no root, starts no daemon. For programs that need no other package.
unpack() {
    mkdir -p "$TOOLS/packages"
    (cd "$TOOLS/packages" && { apt-get download -qq "$1" || { update && apt-get download -qq "$1"; }; })
    dpkg -x "$TOOLS/packages/$1"_*.deb "$TOOLS"
    rm "$TOOLS/packages/$1"_*.deb
}

# Installs a package and what it needs: as root only.
install() {
    update
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$1" >/dev/null
}

need() {
    command -v "$1" >/dev/null 2>&1 && return
    command -v apt-get >/dev/null 2>&1 || { echo "ci-tools: there is no $1, and no apt-get to bring it" >&2; exit 1; }
    echo "ci-tools: $1 from Debian's $3 ..."
    "$2" "$3"
    command -v "$1" >/dev/null 2>&1 || { echo "ci-tools: $3 brought no $1" >&2; exit 1; }
}

need promtool unpack prometheus
need chromium install chromium
need systemd-analyze install systemd
