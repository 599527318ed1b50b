// Command planted plants faults of one line each in the session, the wire, the
// queues and reconnection, one at a time, in a copy of the tree, and says which of
// them the tests find. See docs/planted.md.
//
//	go run ./internal/planted            plant all
//	go run ./internal/planted -list      only see that each can still be planted
//	go run ./internal/planted -run queue those whose name matches
//
// It ends with 1 if fewer than 95 of 100 are found, if the lines that it replaces
// are not there any more, if a fault does not compile, or if the tests already fail
// without one.
package main
