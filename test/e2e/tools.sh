#!/usr/bin/env bash
# Installs the programs that the end-to-end tests and the linter call, each at
# one pinned version, into .tools/bin of the repository, which git ignores.
#
#   test/e2e/tools.sh                     what `make e2e` needs
#   test/e2e/tools.sh oras golangci-lint  these only
#   test/e2e/tools.sh --list              the names and their versions
#
# A tool that is there in the pinned version is left alone, so a second run
# costs nothing. To take a newer one, change its line in the table below.
#
# Needed: Go. System packages come through apt where this runs as root on a
# machine that has it; elsewhere the tests that want them skip and say why,
# except under CI=true, where nothing may be missing.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=$root/.tools/bin
stamps=$root/.tools/stamps
jobs=${TOOLS_JOBS:-$(nproc 2>/dev/null || echo 2)}

# name | how | package | version
#   install: `go install` builds it, with the dependencies it was released with
#   module:  a throw-away module requires it; for modules whose go.mod holds
#            replace directives, which `go install` refuses
table='
oras           | module  | oras.land/oras/cmd/oras                               | v1.3.3
crane          | install | github.com/google/go-containerregistry/cmd/crane      | v0.22.1
regctl         | install | github.com/regclient/regclient/cmd/regctl             | v0.11.7
registry       | install | github.com/distribution/distribution/v3/cmd/registry  | v3.1.2
golangci-lint  | install | github.com/golangci/golangci-lint/v2/cmd/golangci-lint | v2.15.0
gofumpt        | install | mvdan.cc/gofumpt                                      | v0.9.2
govulncheck    | install | golang.org/x/vuln/cmd/govulncheck                     | v1.9.0
helm           | install | helm.sh/helm/v4/cmd/helm                              | v4.3.1
pebble         | install | github.com/letsencrypt/pebble/v2/cmd/pebble           | v2.10.1
pebble-challtestsrv | install | github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv | v2.10.1
versitygw      | install | github.com/versity/versitygw/cmd/versitygw            | v1.8.0
minio          | module  | github.com/minio/minio                                | v0.0.0-20260212201848-7aac2a2c5b7c
olareg         | module  | github.com/olareg/olareg/cmd/olareg                   | v0.2.2
toxiproxy      | module  | github.com/Shopify/toxiproxy/v2/cmd/server            | v2.12.0
'

# What the suites that exist today call. A suite that comes adds its tools here.
default_tools='oras crane regctl registry pebble pebble-challtestsrv versitygw toxiproxy'

# command | apt package
packages='
skopeo      | skopeo
buildah     | buildah
htpasswd    | apache2-utils
openssl     | openssl
curl        | curl
strace      | strace
systemctl   | systemd
ip          | iproute2
nginx       | nginx-light
haproxy     | haproxy
apache2     | apache2
caddy       | caddy
chromium    | chromium
certutil    | libnss3-tools
python3     | python3
node        | nodejs
javac       | default-jdk-headless
mkfs.ext4   | e2fsprogs
mkfs.xfs    | xfsprogs
mkfs.btrfs  | btrfs-progs
nsenter     | util-linux
mount       | mount
'

# Says whether installed packages may start their services (invoke-rc.d(8)).
start_policy=/usr/sbin/policy-rc.d

say() { printf 'tools: %s\n' "$*" >&2; }

# Runs what fetches something over the network, and again after a while where
# it fails: a proxy that has the hiccups is no reason to give up. Of the tries
# only the last is heard to its end.
pauses=${TOOLS_PAUSES:-5 15 45}
again_and_again() {
  local pause words
  words=$(mktemp)
  for pause in $pauses; do
    if "$@" >"$words" 2>&1; then
      rm -f "$words"
      return
    fi
    say "failed: $*: $(tail -n 1 "$words")"
    say "once more in $pause s"
    sleep "$pause"
  done
  rm -f "$words"
  "$@" >&2
}

rows() { printf '%s\n' "$table" | sed 's/ *| */|/g' | grep '|'; }

build() {
  local name=$1 how=$2 package=$3 version=$4
  local stamp=$stamps/$name@$version
  if [[ -x $bin/$name && -e $stamp ]]; then
    return
  fi
  say "building $name $version"
  local started=$SECONDS
  if ! fetch_and_build "$name" "$how" "$package" "$version"; then
    say "$name $version could not be fetched or built: $package comes from where GOPROXY says; see above for why it does not"
    exit 1
  fi
  rm -f "$stamps/$name@"*
  touch "$stamp"
  say "built $name in $((SECONDS - started)) s"
}

# Each step is asked how it went: inside of a condition the shell goes on after
# what fails.
fetch_and_build() {
  local name=$1 how=$2 package=$3 version=$4
  case $how in
  install)
    local out
    out=$(mktemp -d)
    again_and_again env GOBIN="$out" CGO_ENABLED=0 GOFLAGS='' go install -p "$jobs" -trimpath "$package@$version" || return
    # The package's last element names what `go install` made.
    mv "$out/${package##*/}" "$bin/$name" || return
    rm -rf "$out"
    ;;
  module)
    local dir
    dir=$(mktemp -d)
    (
      cd "$dir" || return
      export CGO_ENABLED=0 GOFLAGS=''
      go mod init throwaway >/dev/null 2>&1 || return
      again_and_again go get "$package@$version" || return
      again_and_again go build -p "$jobs" -mod=mod -trimpath -o "$bin/$name" "$package"
    ) || return
    rm -rf "$dir"
    ;;
  *)
    say "$name: unknown way of building, $how"
    exit 1
    ;;
  esac
}

system_packages() {
  local missing=() command package
  while IFS='|' read -r command package; do
    command -v "$command" >/dev/null 2>&1 || missing+=("$package")
  done < <(printf '%s\n' "$packages" | tr -d ' ' | grep '|')
  if [[ ${#missing[@]} -eq 0 ]]; then
    return
  fi
  if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null 2>&1; then
    say "not here, and not installed without root and apt: ${missing[*]}"
    return
  fi
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  # Debian starts and enables what it installs: the proxies would occupy ports 80 and 443.
  if [[ -e $start_policy ]]; then
    install_packages
  else
    trap 'rm -f "$start_policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$start_policy"
    chmod 755 "$start_policy"
    install_packages
    rm -f "$start_policy"
  fi
  for package in "${missing[@]}"; do
    case $package in
    nginx-light | haproxy | apache2 | caddy) systemctl -q disable "${package%-light}" >/dev/null 2>&1 || say "cannot disable $package" ;;
    esac
  done
}

# Installs the packages in $missing.
install_packages() {
  # A package that cannot be had fails the tests that need it, with its name,
  # rather than this script.
  local apt=(apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120)
  again_and_again "${apt[@]}" update </dev/null || say 'apt-get update failed'
  again_and_again "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null && return
  for package in "${missing[@]}"; do
    "${apt[@]}" install -y --no-install-recommends "$package" </dev/null >/dev/null 2>&1 || say "apt-get install failed: $package"
  done
}

main() {
  if [[ ${1-} == --list ]]; then
    rows | awk -F'|' '{ printf "%-22s %s@%s\n", $1, $3, $4 }'
    return
  fi
  local wanted=("$@")
  if [[ ${#wanted[@]} -eq 0 ]]; then
    read -ra wanted <<<"$default_tools"
    system_packages
  fi
  mkdir -p "$bin" "$stamps"
  local name row how package version
  for name in "${wanted[@]}"; do
    row=$(rows | grep "^$name|") || {
      say "no tool is called $name; --list names them"
      exit 2
    }
    IFS='|' read -r name how package version <<<"$row"
    build "$name" "$how" "$package" "$version"
  done
}

main "$@"
