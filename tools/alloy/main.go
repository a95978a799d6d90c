// Alloy's own command, which its release wraps into a collector of OpenTelemetry.
//
// It is built from a copy of Alloy's module that holds the components of logs only, by the files below `_added`: of the
// 5000 packages of the whole, most are needed by other components, and by the converter of other programs' configurations.
// So it takes a third of the space, on every node of every test cluster. What it does not hold it refuses: no
// configuration passes here that the whole Alloy would refuse.
package main

import (
	"os"

	"github.com/grafana/alloy/flowcmd"
)

func main() {
	if err := flowcmd.RootCommand().Execute(); err != nil {
		os.Exit(1)
	}
}
