// Package converter converts nothing: it would need every component.
package converter

import "github.com/grafana/alloy/internal/converter/diag"

// Input is a kind of configuration, of which none is supported.
type Input string

// SupportedFormats are none.
var SupportedFormats []string

// Convert refuses.
func Convert([]byte, Input, []string) ([]byte, diag.Diagnostics) {
	var refused diag.Diagnostics
	refused.Add(diag.SeverityLevelCritical, "built without the converter")
	return nil, refused
}
