package check

import "testing"

func TestServerCommands(t *testing.T) {
	const config = "/etc/my registry/myconfig.yml"
	const serve = "packhouse serve '/etc/my registry/myconfig.yml'"
	for _, tc := range []struct {
		server              Server
		start, restart, log string
	}{
		{
			Server{Unit: "packhouse.service", Config: config},
			"systemctl start packhouse.service",
			"run systemctl restart packhouse.service", "read the server's log with journalctl -u packhouse.service -n 50",
		},
		{
			Server{Unit: "packhouse.service", unprivileged: true},
			"sudo systemctl start packhouse.service",
			"run sudo systemctl restart packhouse.service",
			"read the server's log with sudo journalctl -u packhouse.service -n 50",
		},
		{
			Server{Config: config},
			serve, "stop the server with ctrl+c, then run " + serve,
			"read the server's log on the terminal of " + serve,
		},
		{
			Server{Config: config, User: "registry"},
			"runuser -u registry -- " + serve,
			"stop the server with ctrl+c, then run runuser -u registry -- " + serve,
			"read the server's log on the terminal of runuser -u registry -- " + serve,
		},
		{
			Server{},
			"packhouse serve", "stop the server with ctrl+c, then run packhouse serve",
			"read the server's log on the terminal of packhouse serve",
		},
	} {
		if got := tc.server.Start(); got != tc.start {
			t.Errorf("Start of %+v: %q, want %q", tc.server, got, tc.start)
		}
		if got := tc.server.Restart(); got != tc.restart {
			t.Errorf("Restart of %+v: %q, want %q", tc.server, got, tc.restart)
		}
		if got := tc.server.ReadLog(); got != tc.log {
			t.Errorf("ReadLog of %+v: %q, want %q", tc.server, got, tc.log)
		}
	}
}
