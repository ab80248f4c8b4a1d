#!/bin/sh
# A registry whose myconfig.yml somebody edited, and got wrong, for the picture of its repair; to be run by machine.sh:
#
#   go run ./tui/screenshot -scenes docs/images/repair.txt -out docs/images -- docs/images/machine.sh docs/images/broken.sh "$PWD/bin/packhouse"
set -eu
"$1" setup --yes --no-start --user spectro:reader --user ci-bot:writer >/dev/null 2>&1
sed -i -e 's/^  addr:/  adr:/' -e 's/level: info/level: chatty/' /etc/packhouse/myconfig.yml
export EDITOR=vi
exec "$1"
