#!/usr/bin/env bash
# Audits the modules and the code: lists the version of every module, runs go vet, staticcheck and
# gosec, and searches the vulnerability database with govulncheck. `make audit` calls it.
#
# staticcheck and gosec run inside golangci-lint, at the versions that it was released with, so that
# the exclusions of .golangci.yml and their reasons apply. Exits 1 if anything is found. Otherwise it
# exits 2 if a check could not run, for example govulncheck without its database, and names it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
go=${GO:-go}
bin=$PWD/.tools/bin
config=$PWD/.golangci.yml
modules='. test/e2e test/bench'
failed=()
unproven=()

# check NAME COMMAND… runs a command in every module and records whether it passed.
check() {
  local name=$1 module
  shift
  for module in $modules; do
    echo "== $name: $module"
    (cd "$module" && "$@") || failed+=("$name: $module")
  done
}

# vulnerable runs govulncheck in one module. It fails if govulncheck reports a vulnerability that the
# code calls, and only if the database was reached: otherwise it records why not.
vulnerable() {
  local module=$1 out status=0
  echo "== govulncheck: $module"
  out=$(cd "$module" && "$bin/govulncheck" ./... 2>&1) || status=$?
  echo "$out"
  case $status in
  0) ;;
  3) failed+=("govulncheck: $module") ;; # vulnerabilities were found
  *) unproven+=("govulncheck: $module: $(printf '%s\n' "$out" | tail -n 1)") ;;
  esac
}

for module in $modules; do
  echo "== modules: $module"
  (cd "$module" && "$go" list -m -f '{{.Path}} {{.Version}}{{if .Indirect}} (indirect){{end}}' all)
done
check 'go vet' "$go" vet ./...
if bash test/e2e/tools.sh golangci-lint; then
  for linter in staticcheck gosec; do
    check "$linter" "$bin/golangci-lint" run --config "$config" --enable-only "$linter" ./...
  done
else
  unproven+=('staticcheck and gosec: golangci-lint could not be built')
fi
if bash test/e2e/tools.sh govulncheck; then
  for module in $modules; do vulnerable "$module"; done
else
  unproven+=('govulncheck: could not be built')
fi

echo
for name in ${unproven[@]+"${unproven[@]}"}; do echo "audit: not proven: $name"; done
for name in ${failed[@]+"${failed[@]}"}; do echo "audit: failed: $name"; done
if [[ ${#failed[@]} -gt 0 ]]; then
  exit 1
fi
if [[ ${#unproven[@]} -gt 0 ]]; then
  exit 2
fi
echo 'audit: no findings'
