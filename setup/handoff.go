package setup

// Card is what somebody needs to use the registry. It holds no password.
type Card struct {
	URL         string    `json:"url"`      // what clients use: "https://registry.example.com:5000"
	Registry    string    `json:"registry"` // host[:port] as image references have it
	Local       string    `json:"local"`    // host[:port] that works on this machine; the commands use it
	User        string    `json:"user"`     // the first admin
	Password    string    `json:"password"` // where it is, never what it is: "in /etc/packhouse/initial-passwords"
	Users       []User    `json:"-"`
	CAFile      string    `json:"caFile,omitempty"`      // the certificate to hand out; empty: clients trust it already, or there is none
	Fingerprint string    `json:"fingerprint,omitempty"` // SHA-256 of the server's certificate
	Handoff     string    `json:"handoff"`               // path of handoff.md
	Config      string    `json:"config"`                // path of myconfig.yml
	Commands    []Command `json:"commands"`              // that work as printed
}

// Command is a line for a shell.
type Command struct {
	Title string `json:"title"` // "curl", "oras", "docker"
	Line  string `json:"line"`
}
