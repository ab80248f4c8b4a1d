# Reads `go test -v` of several packages. Prints the closing line of each, with
# how many tests passed, failed and were skipped; the reasons of what was
# skipped; and everything that a failing package said.

function forget() { held = ""; passed = failed = skipped = 0; reasons = "" }

function count(result) {
  if (result == "PASS:") passed++
  if (result == "FAIL:") failed++
  if (result == "SKIP:") { skipped++; reasons = reasons "    skipped: " $3 ": " last "\n" }
}

function close_package() {
  if ($1 == "FAIL") printf "%s", held
  printf "%s\t%d passed, %d failed, %d skipped\n%s", $0, passed, failed, skipped, reasons
  allPassed += passed; allFailed += failed; allSkipped += skipped
  forget()
  fflush()
}

BEGIN { forget() }

# What does not compile is said outside of its package's lines: shown at once.
/^# / { compiling = 1 }
/^(===|---|ok|FAIL|PASS|\?|panic)/ { compiling = 0 }
compiling { print; fflush(); next }

/^(ok|FAIL)[ \t]+[^ \t]/ { close_package(); next }
/^\?[ \t]/ || /\[no test files\]$/ { next }
/^ *--- (PASS|FAIL|SKIP): / { count($2) }
# What went well, and the marks of what ran beside what, explain nothing.
/^ *--- PASS: / || /^=== / { next }
{
  held = held $0 "\n"
  if ($0 !~ /^ *(---|===)/) last = $0
  sub(/^ +/, "", last)
  if ($0 ~ /^(tools|make|no C compiler)/) { print; fflush() }
}
END {
  # What never came to a closing line: a build that broke, or make itself.
  if (allPassed + allFailed == 0) printf "%s", held
  printf "in all: %d passed, %d failed, %d skipped\n", allPassed, allFailed, allSkipped
}
