// Package serpy carries messages from one program to another, whole, in
// order and once, over a link that breaks.
//
// [Listen] makes a [Server], and [Dial] a [Connection] to it. A Connection outlives
// its links: what [Connection.Send] took is kept until the peer has it, and a new
// link goes on where the old one broke. Both sides send and receive:
//
//   - Send returns when a message is queued, SendAcked when the peer has it.
//     [Connection.SendMessage] gives a [Receipt] that says so later, and
//     [Connection.Request] waits for the peer's [Message.Reply].
//   - [Connection.Receive] and [Connection.Messages] give one message after another;
//     [Connection.Handle] and [Server.Serve] call a function for each message, and
//     for each connection. Where messages are missing, a [Gap] says so.
//   - [Connection.SendFile], [Connection.SendBlob] and [Connection.ReceiveBlob] are
//     for what is too large for a message, or worth going on with after a restart.
//   - [Options] has the bounds, the times and what happens at a full queue. Nil is
//     right for most. [Connection.Events] and [Connection.Stats] tell what goes on.
//
// Other programs' wires, for [Options.Wires], are the packages below protocol;
// [Connection.Guarantees] says what a connection can promise. Package serpytest
// breaks links in tests. Messages are in memory alone: what a crash costs, and every
// other promise and bound, is in docs/guarantees.md.
package serpy
