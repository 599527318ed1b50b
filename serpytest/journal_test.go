package serpytest_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/serpy-go/serpy/serpytest"
)

// All that a History is told it reads again from its Log.
func TestHistoryIsReadAgain(t *testing.T) {
	var log bytes.Buffer
	k := &talk{}
	k.WhenProcessed, k.Log = true, &log
	k.acked(1, 5)
	k.begin(6, false).Refused()
	k.begin(7, true)
	for key := uint64(1); key <= 3; key++ {
		k.got(key)
		k.Acked(key)
		k.sent[key].Confirmed()
	}
	k.got(4)
	k.WasNacked(4)
	k.sent[4].Nacked()
	k.SessionLost(1)
	k.sent[5].Unconfirmed()
	k.Dropped(1)
	k.Closed()
	k.plain(8, 8)
	k.again(4)
	k.gap(8, serpytest.Gap{First: 5, Last: 7, Count: 3, WithSession: true})
	k.SenderCrashed()
	k.ReceiverCrashed()
	again, err := serpytest.ReadHistory(strings.NewReader(log.String()))
	require.NoError(t, err)
	again.WhenProcessed = true
	require.Equal(t, k.Check(), again.Check())
	k.Received(serpytest.Reception{Key: 99, Payload: []byte("x")})
	k.got(1)
	require.Len(t, k.Check(), 2)
	again, err = serpytest.ReadHistory(strings.NewReader(log.String()))
	require.NoError(t, err)
	again.WhenProcessed = true
	require.Equal(t, k.Check(), again.Check())
}

func TestLogsThatCannotBeRead(t *testing.T) {
	const sending = `{"at":1,"what":"sending","key":1}` + "\n"
	for name, text := range map[string]string{
		"no JSON":                 "{\n",
		"an unknown fact":         sending + `{"at":2,"what":"eaten","key":1}` + "\n",
		"a receipt of no message": `{"at":2,"what":"confirmed","key":1}` + "\n",
		"a key twice":             sending + sending,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := serpytest.ReadHistory(strings.NewReader(text))
			require.ErrorContains(t, err, "serpytest: ")
		})
	}
	_, err := serpytest.ReadHistory(strings.NewReader(sending + `{"at":2,"wha`)) // it was killed
	require.NoError(t, err)
}

func TestALogThatCannotBeWritten(t *testing.T) {
	r, w := io.Pipe()
	require.NoError(t, r.Close())
	h := &serpytest.History{Log: w}
	require.Panics(t, func() { h.Sending(1, false, nil) })
}

// Two programs take down what they see, one of them until it is killed; their test
// makes one History of it.
func TestHistoryOfTwoPrograms(t *testing.T) {
	if os.Getenv("SERPYTEST_SENDER") != "" {
		sendIntoTheVoid()
	}
	c := exec.Command(os.Args[0], "-test.run", "^TestHistoryOfTwoPrograms$")
	c.Env = append(os.Environ(), "SERPYTEST_SENDER=1")
	var log, own, test bytes.Buffer
	c.Stderr = &log
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	h := &serpytest.History{Log: &own}
	said := bufio.NewScanner(out)
	for n := uint64(1); n <= 100; n++ {
		require.True(t, said.Scan())
		if n != 50 {
			h.Received(serpytest.Reception{Key: n, Payload: payload(n)})
		}
	}
	require.NoError(t, c.Process.Kill())
	(&serpytest.History{Log: &test}).SenderCrashed()
	_ = c.Wait() // it was killed
	all, err := serpytest.ReadHistory(bytes.NewReader(log.Bytes()), bytes.NewReader(own.Bytes()), &test)
	require.NoError(t, err)
	require.Empty(t, all.Check(), "it may have died with the sender")
	both, err := serpytest.ReadHistory(&log, &own)
	require.NoError(t, err)
	found := both.Check()
	require.NotEmpty(t, found)
	require.Equal(t, serpytest.Lost, found[0].Kind)
	require.Contains(t, found[0].Keys, uint64(50))
}

// sendIntoTheVoid sends messages to standard output until it is killed, and takes
// them down on standard error.
func sendIntoTheVoid() {
	h := &serpytest.History{Log: os.Stderr}
	for n := uint64(1); ; n++ {
		s := h.Sending(n, false, payload(n))
		_, err := fmt.Println(n)
		s.Returned(err)
	}
}
