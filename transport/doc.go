// Package transport turns addresses into network connections: TCP, TLS over
// TCP, unix sockets and the named pipes of Windows, with the options that matter
// to a stream of messages.
//
// It knows nothing of sessions, frames or messages. Dial and Listen take an
// [Address]; what they give back are connections and listeners of package net
// and crypto/tls, so that a caller may as well bring its own and have them
// set up by [Tune].
//
// What an option needs from the operating system and the operating system
// does not have is an error that is errors.ErrUnsupported; nothing asked for
// is left out silently.
package transport
