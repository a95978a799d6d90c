// Package flowcmd exports Alloy's command, without the integrations that only the converter needs.
package flowcmd

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback"

	"github.com/grafana/alloy"
	"github.com/grafana/alloy/internal/alloycli"
	"github.com/grafana/alloy/internal/build"
)

func init() {
	build.Version = strings.TrimSuffix(alloy.FallbackVersion(), "-devel") // it is the release's source
	prometheus.MustRegister(build.NewCollector("alloy"))
}

// RootCommand is Alloy's command.
func RootCommand() *cobra.Command {
	return alloycli.Command()
}
