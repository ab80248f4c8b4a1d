# Reads the output of `go test -v` for several packages. Prints the closing line
# of each package with the number of tests that passed, failed and were skipped,
# the reason for each skip, and the whole output of each package that failed.

function reset() { held = ""; passed = failed = skipped = 0; reasons = "" }

function count(result) {
  if (result == "PASS:") passed++
  if (result == "FAIL:") failed++
  if (result == "SKIP:") { skipped++; reasons = reasons "    skipped: " $3 ": " last "\n" }
}

function close_package() {
  if ($1 == "FAIL") printf "%s", held
  printf "%s\t%d passed, %d failed, %d skipped\n%s", $0, passed, failed, skipped, reasons
  allPassed += passed; allFailed += failed; allSkipped += skipped
  reset()
  fflush()
}

BEGIN { reset() }

# Compiler errors appear outside the lines of a package: print them at once.
/^# / { compiling = 1 }
/^(===|---|ok|FAIL|PASS|\?|panic)/ { compiling = 0 }
compiling { print; fflush(); next }

/^(ok|FAIL)[ \t]+[^ \t]/ { close_package(); next }
/^\?[ \t]/ || /\[no test files\]$/ { next }
/^ *--- (PASS|FAIL|SKIP): / { count($2) }
# Drop the lines of passing tests and the markers of parallel ones.
/^ *--- PASS: / || /^=== / { next }
{
  held = held $0 "\n"
  if ($0 !~ /^ *(---|===)/) last = $0
  sub(/^ +/, "", last)
  if ($0 ~ /^(tools|make|no C compiler)/) { print; fflush() }
}
END {
  # Without a closing line, the build or make itself failed: print everything.
  if (allPassed + allFailed == 0) printf "%s", held
  printf "in all: %d passed, %d failed, %d skipped\n", allPassed, allFailed, allSkipped
}
