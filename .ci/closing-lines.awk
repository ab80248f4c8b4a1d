# Reads the output of `go test -v` for several packages. Prints the closing line
# of each package with the number of tests that passed, failed and were skipped,
# the reason for each skip, and the output of each test that failed. Ends with
# the names of the failed tests, because readers of a long log start there.

function reset() {
  test = ""; panicked = passed = failed = skipped = 0; reasons = ""; failures = ""
  delete output
}

function count(result, name) {
  if (result == "PASS:") { passed++; delete output[name] }
  if (result == "FAIL:") { failed++; failures = failures "\n" name }
  if (result == "SKIP:") { skipped++; reasons = reasons "    skipped: " name ": " last "\n" }
}

function close_package(    names, n, i) {
  n = split(substr(failures, 2), names, "\n")
  # Without a failed test, the package failed as a whole.
  if ($1 == "FAIL" && (n == 0 || panicked)) printf "%s", output[""]
  for (i = 1; i <= n; i++) {
    printf "--- FAIL: %s %s\n%s", $2, names[i], output[names[i]]
    allNames = allNames "    failed: " $2 " " names[i] "\n"
  }
  if ($1 == "FAIL" && n == 0) allNames = allNames "    failed: " $2 "\n"
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
# A marker names the test whose output follows.
/^=== / { test = $3; next }
/^ *--- (PASS|FAIL|SKIP): / { count($2, $3); test = $3; next }
/^(panic: |fatal error: |WARNING: DATA RACE)/ { panicked = 1 }
{
  # After a panic, nothing says whose output it is.
  output[panicked ? "" : test] = output[panicked ? "" : test] $0 "\n"
  last = $0
  sub(/^ +/, "", last)
  if ($0 ~ /^(tools|make|no C compiler)/) { print; fflush() }
}
END {
  # Without a closing line, the build or make itself failed: print everything.
  if (allPassed + allFailed == 0) for (test in output) printf "%s", output[test]
  printf "in all: %d passed, %d failed, %d skipped\n%s", allPassed, allFailed, allSkipped, allNames
}
