#!/bin/sh
# A registry that is installed and runs, for the pictures of the manager; to be run by machine.sh:
#
#   go run ./tui/screenshot -scenes docs/images/manager.txt -out docs/images -- docs/images/machine.sh docs/images/installed.sh "$PWD/bin/packhouse"
set -eu
"$1" setup --yes --no-start --user spectro:reader --user ci-bot:writer >/dev/null 2>&1
ip address add 192.0.2.18/24 dev eth0
RUNTIME_DIRECTORY=/run/packhouse "$1" serve >/dev/null 2>&1 &
sleep 1
exec "$1"
