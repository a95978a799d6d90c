// Package register holds no generator: nothing of ours has values made up.
package register
