// Package register holds the providers of the tests alone: a store whose values stand in its own manifest.
//
// Those that it leaves out are of forty services that no test has, and most of what the operator is built from.
package register

import (
	_ "github.com/external-secrets/external-secrets/pkg/provider/fake"
)
