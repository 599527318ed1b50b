// Package integration holds no code of its own: its tests break the library from
// outside, across processes, and hold it to docs/guarantees.md. The test binary
// runs itself again as the peers; each writes a journal of what it sent, was told
// and received to a file that outlives kill -9, and a checker merges them.
package integration
