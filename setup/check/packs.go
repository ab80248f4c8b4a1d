package check

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// PackReport lists versions of packs that Palette does not install, as the running server reports them.
type PackReport struct {
	Examined int      // versions
	Complete bool     // false: there are versions that the server did not examine
	Unread   int      // examined versions whose archive the server has yet to read
	Found    int      // examined versions with a problem
	Problems []string // "REPOSITORY:TAG: reason", at most 100
}

// Packs returns the report of the running server.
type Packs func(ctx context.Context) (PackReport, error)

const packsRemedy = "push the pack with the name and version in its pack.json, " +
	"then packhouse pack tag delete NAME:TAG for the wrong tag"

const (
	packsTimeout  = 30 * time.Second // the server stops after 20 s
	problemsShown = 10               // versions of packs that a result lists
)

// provePacks lists versions of packs whose name, tag and pack.json disagree, or that Palette does not
// install for another reason.
func provePacks(ctx context.Context, s *session) Result {
	if s.Packs == nil {
		return notProven("no running server of this configuration can be asked")
	}
	s.doing("listing the versions of all packs")
	ctx, cancel := context.WithTimeout(ctx, s.within(packsTimeout))
	defer cancel()
	report, err := s.Packs(ctx)
	switch {
	case err != nil:
		return notProven("the running server did not list them: %v", err)
	case report.Found > 0:
		shown := report.Problems[:min(len(report.Problems), problemsShown)]
		cause := strings.Join(shown, "\n")
		if more := report.Found - len(shown); more > 0 {
			cause += fmt.Sprintf("\nand %d more", more)
		}
		seen := fmt.Sprintf("Palette does not install %d of %d versions", report.Found, report.Examined)
		return warning(CodePacks, seen, cause, packsRemedy)
	case !report.Complete:
		return notProven("%d versions are consistent; there are too many to examine all", report.Examined)
	case report.Unread > 0:
		return notProven("the server has yet to read %d of %d versions", report.Unread, report.Examined)
	case report.Examined == 0:
		return passed("none is stored")
	}
	return passed("names and tags of %d versions match pack.json", report.Examined)
}
