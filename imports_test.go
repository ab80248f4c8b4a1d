package packhouse_test

// mayImport is the import graph: for each package the packages of this module
// that it may import. Imports point downward only; docs/architecture.md gives the reasons.
//
// A package without a row of its own belongs to the nearest row above it
// (setup/question to setup), and may import that row's whole tree. "x/..." is
// x with all that is below it.
var mayImport = map[string][]string{
	// The commands wire everything.
	"cmd": {"..."},
	"cmd/packhouse/setupcmd": {
		"cmd/packhouse/certcmd", "cmd/packhouse/deployment", "cmd/packhouse/cli", "setup/...", "tui/...", "server",
		"server/admin", groundFloor,
	},
	"cmd/packhouse/usercmd": {
		"cmd/packhouse/deployment", "cmd/packhouse/cli", "setup/...", "tui/echo", groundFloor,
	},
	"cmd/packhouse/storecmd": {"cmd/packhouse/deployment", "cmd/packhouse/cli", "setup/...", "server/...", groundFloor},
	"cmd/packhouse/configcmd": {
		"cmd/packhouse/deployment", "cmd/packhouse/cli", "setup/...", "server/...", groundFloor,
	},
	"cmd/packhouse/certcmd": {
		"cmd/packhouse/clienttrust", "cmd/packhouse/deployment", "cmd/packhouse/cli", "setup/...", "server/acme",
		"server/admin", groundFloor,
	},
	"cmd/packhouse/clienttrust": {
		"cmd/packhouse/deployment", "cmd/packhouse/cli", "setup/...", "server/admin", groundFloor,
	},
	"cmd/packhouse/packcmd":    {"cmd/packhouse/cli", "packs/...", groundFloor},
	"cmd/packhouse/deployment": {"cmd/packhouse/cli", "setup/...", "server/...", groundFloor},
	"cmd/packhouse/cli":        {"setup/...", "server/admin", "tui/echo", groundFloor},
	"cmd/packhouse/porttest":   {},

	// The side of the terminal.
	"tui": {"tui/session", "tui/describe", "setup/...", groundFloor},
	"tui/lines": {
		"tui/session", "tui/describe", "tui/echo", "tui/layout", "tui/theme", "setup/...", groundFloor,
	},
	"tui/describe": {"tui/session", "tui/layout", "tui/theme", "setup/...", groundFloor},
	"tui/session":  {"setup/...", groundFloor},
	"setup/apply": {
		"setup", "setup/machine", "setup/installation", "setup/question", "setup/answer", "setup/plan", groundFloor,
	},
	"setup/plan": {
		"setup", "setup/machine", "setup/installation", "setup/question", "setup/answer", "setup/keyfile", groundFloor,
	},
	"setup/answer": {"setup", "setup/machine", "setup/installation", "setup/question", groundFloor},
	"setup/answer/answertest": {
		"setup", "setup/machine", "setup/machine/machinetest", "setup/installation", "setup/question", "setup/answer",
		groundFloor,
	},
	"setup/question": {
		"setup", "setup/machine", "setup/installation", "setup/check", "setup/keyfile", groundFloor,
	},
	"setup/installation":        {"setup", "setup/machine", "setup/check", groundFloor},
	"setup/machine":             {"setup", "setup/check", groundFloor},
	"setup/machine/machinetest": {"setup/machine", "setup/installation"},
	"setup/keyfile":             {groundFloor},
	"setup/check":               {groundFloor},
	"setup":                     {groundFloor},

	// The side of the server.
	"server": {"server/...", "certgen", "finding", "printable", "trust"},
	"server/auth": {
		"finding", "printable", "server/auth/htpasswd", "server/config", "server/lru", "server/problem",
		"server/reference", "server/route", "trust",
	},
	"server/registry": {"server/auth", "server/manifest", "server/problem", "server/reference", "server/route", "server/storage", "server/transfer"},
	"server/notification": {
		"server/auth", "server/config", "server/manifest", "server/reference", "server/registry", "server/storage", "trust",
	},
	"server/maintenance": {"server/config", "server/observe", "server/packview/record", "server/storage"},
	"server/packview":    {"finding", "packs", "server/lru", "server/auth", "server/manifest", "server/problem", "server/reference", "server/route", "server/storage", "server/transfer"},
	"server/transfer":    {"server/problem", "server/reference", "server/storage"},
	// Problems are the HTTP side's words for what the store says.
	"server/problem": {"server/manifest", "server/reference", "server/storage"},
	"server/route":   {"server/problem", "server/reference"},
	"server/certificates": {
		"certgen", "server/acme", "server/config", "server/connection", "server/storage", "server/storage/drivers", "trust",
	},
	"server/observe": {
		"server/acme", "server/auth", "server/config", "server/config/verify", "server/connection", "server/notification", "server/problem",
		"server/route", "trust",
	},
	"server/connection": {"server/auth", "server/config", "server/problem"},
	"server/health":     {"server/config", "server/storage"},
	"server/lru":        {},
	"server/storage":    {"server/manifest", "server/reference", "trust"},
	"server/storage/filesystem": {
		"server/lru", "server/storage", "server/storage/quota", "server/storage/disk", "server/config", "server/manifest",
		"server/reference",
	},
	// The store in memory is the filesystem driver over a disk in memory.
	"server/storage/inmemory": {"server/storage", "server/storage/disk", "server/storage/filesystem", "server/manifest", "server/reference"},
	// A client of a bucket is configured in many ways: it takes the section of
	// the configuration as it is.
	"server/storage/s3": {
		"finding", "server/lru", "server/storage", "server/storage/quota", "server/config", "server/manifest",
		"server/reference", "trust",
	},
	// The only package that knows all drivers.
	"server/storage/drivers": {
		"server/storage", "server/storage/filesystem", "server/storage/inmemory", "server/storage/s3", "server/config",
	},
	"server/acme":      {"certgen", "trust"},
	"server/manifest":  {"server/reference"},
	"server/reference": {},

	// Suites for the tests of several packages wire real ones together.
	"server/registry/registrytest": {"server/..."},
	"server/packview/packviewtest": {"server/..."},

	// Packages that both sides share.
	"finding":                {},
	"server/config":          {"certgen", "finding", "server/auth/htpasswd", "server/config/yamledit", "spelling", "trust"}, // it verifies what a configuration points at
	"server/config/yamledit": {},
	"server/config/verify":   {"certgen", "finding", "server/auth/htpasswd", "server/config", "spelling", "trust"},
	"server/auth/htpasswd":   {"finding", "printable"},
	"certgen":                {"finding"},
	"packs":                  {"finding", "printable", "trust"},
	"packs/lint":             {"finding", "packs/...", "printable", "spelling"},
	"pattern":                {},
	"printable":              {},
	"racetest":               {}, // for tests only
	"spelling":               {},
	"templates":              {"printable"}, // it quotes for the shell
	// Who can write a path: the directories of an installation, and those of a store.
	"trust": {"printable"}, // remedies are commands: it quotes for the shell
}

// everywhere lists packages that every package may import. They know nothing of packhouse.
var everywhere = []string{"pattern"}

// groundFloor is replaced in mayImport by the packages that both sides share.
const groundFloor = "(ground floor)"

var groundFloorPackages = []string{
	"certgen", "finding", "packs", "printable", "server/auth/htpasswd", "server/config",
	"server/config/verify", "spelling", "templates", "trust",
}

// onlyIn names, for packages from outside, the trees that may import them:
// a terminal library in the server, or a database of one storage engine in the
// protocol, would break the separation.
var onlyIn = map[string][]string{
	"github.com/charmbracelet": {"tui"},
	"github.com/spf13/cobra":   {"cmd"},
	"github.com/spf13/pflag":   {"cmd"},
	"github.com/prometheus":    {"server"},
	"github.com/aws":           {"server/storage/s3"},
	"oras.land":                {"packs", "cmd"},
	"golang.org/x/crypto/acme": {"server"},
	"gopkg.in/yaml.v3":         {"server/config", "setup", "packs"},
	// Templates of others can loop and need all memory: only clients render, in a child process.
	"github.com/Masterminds/sprig":    {"packs/render"},
	"github.com/BurntSushi/toml":      {"packs/render"},
	"github.com/gobwas/glob":          {"packs/render"},
	"github.com/Masterminds/semver":   {"packs/chart"},
	"sigs.k8s.io/yaml":                {"packs/chart", "packs/render"},
	"github.com/opencontainers":       {"server", "packs"},
	"golang.org/x/crypto/bcrypt":      {"server/auth"},
	"github.com/youmark/pkcs8":        {"setup"},
	"github.com/rogpeppe/go-internal": {},              // tests only
	"github.com/creack/pty":           {"tui/ttytest"}, // tests only
	"github.com/hinshun/vt10x":        {"tui/ttytest"}, // tests only
}

// notIn names, for packages from outside, trees that must not import them although onlyIn permits it.
var notIn = map[string][]string{
	"github.com/charmbracelet": {"tui/session"}, // a session knows no terminal
}

// standardLibraryOnly lists the trees that import nothing from outside: what
// makes keys and certificates can be read to the end.
var standardLibraryOnly = []string{"certgen", "finding"}
