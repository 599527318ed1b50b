package transport

import (
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// send does what the original does to send a message: it makes the pipe, waits for a
// client, writes once and closes. busy: it could not, and does not tell.
func (o original) send(waiting chan<- struct{}, message string) (busy bool, err error) {
	end, busy, err := o.make(waiting)
	if err != nil {
		return busy, err
	}
	_, err = end.Write([]byte(message))
	if closed := end.Close(); err == nil {
		err = closed
	}
	return false, err
}

// receive does what the original does to receive one: it makes the pipe and waits for
// a client; if the pipe is there already it opens that one; it reads once and closes.
func (o original) receive(waiting chan<- struct{}) (string, error) {
	var end io.ReadCloser
	end, busy, err := o.make(waiting)
	if busy {
		end, err = o.open()
	}
	if err != nil {
		return "", err
	}
	b := make([]byte, 65536)
	n, err := end.Read(b)
	if closed := end.Close(); err == nil {
		err = closed
	}
	return string(b[:n]), err
}

// A test for each oddity of the original in opening pipes, by the numbers of
// docs/pipes.md. Those of its messages are in package npipes.

type outcome struct {
	message string
	busy    bool
	err     error
}

// messagePipe is a pipe of messages, with an original at it.
func messagePipe(t *testing.T) (Address, Options, original) {
	t.Helper()
	a, o := pipe(t)
	o.PipeMessages, o.PipeInstances, o.PipeAwait = true, 1, true
	return a, o, newOriginal(t, a, o)
}

// openers are our ways to open a pipe that the original has made.
var openers = map[string]func(t *testing.T, a Address, o Options) (net.Conn, error){
	"dial": func(t *testing.T, a Address, o Options) (net.Conn, error) {
		t.Helper()
		return Dial(bounded(t), a, nil, o)
	},
	"meet": func(t *testing.T, a Address, o Options) (net.Conn, error) {
		t.Helper()
		c, made, err := Meet(bounded(t), a, o)
		assert.False(t, made)
		return c, err
	},
}

// What it wrote before it closed, without a flush, can be read.
func TestN11PipesThatAnOriginalClosesAtOnce(t *testing.T) {
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			a, o, original := messagePipe(t)
			for range 5 { // a connection each
				waiting, sent := make(chan struct{}), make(chan outcome, 1)
				go func() {
					busy, err := original.send(waiting, "Hello")
					sent <- outcome{busy: busy, err: err}
				}()
				<-waiting
				c, err := open(t, a, o)
				require.NoError(t, err)
				got, err := io.ReadAll(c)
				require.NoError(t, err)
				require.Equal(t, "Hello", string(got))
				require.Equal(t, outcome{}, <-sent)
				require.NoError(t, c.Close())
			}
		})
	}
}

// Only we can be its sender: another original would find the pipe taken, and lose the
// message.
func TestN10PipesOfAnOriginalThatReceivesFirst(t *testing.T) {
	for name, open := range openers {
		t.Run(name, func(t *testing.T) {
			a, o, original := messagePipe(t)
			for range 5 {
				waiting, received := make(chan struct{}), make(chan outcome, 1)
				go func() {
					message, err := original.receive(waiting)
					received <- outcome{message: message, err: err}
				}()
				<-waiting
				c, err := open(t, a, o)
				require.NoError(t, err)
				_, err = c.Write([]byte("Hello"))
				require.NoError(t, err)
				require.Equal(t, outcome{message: "Hello"}, <-received)
				require.NoError(t, c.Close())
			}
		})
	}
}

// An original that sends finds our pipe taken, and gives up.
func TestN9PipesThatAnOriginalCannotMake(t *testing.T) {
	a, o, original := messagePipe(t)
	servePipe(t, a, o)
	busy, err := original.send(make(chan struct{}), "lost")
	require.True(t, busy)
	require.Error(t, err)
}

// An original that receives opens the pipe of a listener, or the listener opens the one
// that the original has made meanwhile.
func TestN12PipesThatAnOriginalFindsTaken(t *testing.T) {
	a, o, original := messagePipe(t)
	o.PipeMeet = true
	l := servePipe(t, a, o)
	for range 5 {
		received := make(chan outcome, 1)
		go func() {
			message, err := original.receive(make(chan struct{}))
			received <- outcome{message: message, err: err}
		}()
		c := acceptedPipe(t, l)
		_, err := c.Write([]byte("Hello"))
		require.NoError(t, err)
		require.Equal(t, outcome{message: "Hello"}, <-received)
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, c.Close())
	}
}

// A dialler that comes before the original waits for it.
func TestN13PipesThatAnOriginalMakesLater(t *testing.T) {
	a, o, original := messagePipe(t)
	got := make(chan outcome, 1)
	go func() {
		c, err := Dial(bounded(t), a, nil, o)
		if !assert.NoError(t, err) {
			got <- outcome{err: err}
			return
		}
		b, err := io.ReadAll(c)
		assert.NoError(t, c.Close())
		got <- outcome{message: string(b), err: err}
	}()
	busy, err := original.send(make(chan struct{}), "Hello")
	require.NoError(t, err)
	require.False(t, busy)
	require.Equal(t, outcome{message: "Hello"}, <-got)
}
