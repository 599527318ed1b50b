// Package serpytest helps to test programs that talk over links that break:
// what net/http/httptest is to net/http.
//
// [Serve] gives a test a connection to a handler of its own, and a function
// that cuts the link between them. Underneath are [Pipe] and [Listener], a
// network in memory. They hold a goroutine only by channels and timers, so
// that a test in a testing/synctest bubble sees exact times: a second of
// latency costs none. [Fault] puts the same troubles before a real connection,
// and [Proxy] between two programs. A [Direction] is where the trouble is asked
// for: latency, bandwidth, a stall, silence, a cut at an exact byte, a flipped
// bit. [History] takes down what was sent, confirmed and received, and says
// which promise was broken, naming the messages.
//
// Make a Pipe or Listener inside the bubble that uses it. Never use it from
// outside: the runtime forbids channels of a bubble there.
package serpytest
