#!/bin/sh
# prepares a host
set -eu
exit 0
