package transport

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/windows"
)

// folder is none: there are pipes here.
func folder(*testing.T) string { return "" }

// wine says that this is no Windows: its rules for instances differ.
func wine() bool {
	return windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil
}

func TestPipeSecurity(t *testing.T) {
	for _, security := range []string{
		"D:P(A;;GA;;;WD)",
		"D:P(A;;GA;;;OW)(A;;0x12008b;;;WD)", // others read and write, and make no instances
	} {
		a, o := pipe(t)
		o.PipeSecurity = security
		l := servePipe(t, a, o)
		for range 3 {
			dialled := openedPipe(t, a, o)
			talk(t, dialled, acceptedPipe(t, l))
		}
	}
	a, _ := pipe(t)
	_, err := Listen(t.Context(), a, nil, Options{PipeSecurity: "nonsense"})
	var option *OptionError
	require.ErrorAs(t, err, &option)
	require.Equal(t, "PipeSecurity", option.Field)
}

// The descriptor of the pipe is that which was asked for.
func TestPipeSecurityIsThePipes(t *testing.T) {
	a, _ := pipe(t)
	l, err := listenPipe(t.Context(), a, Options{PipeSecurity: "D:P(A;;FA;;;BA)(A;;0x12008b;;;WD)"})
	require.NoError(t, err)
	d, err := windows.GetSecurityInfo(l.next, windows.SE_KERNEL_OBJECT, windows.DACL_SECURITY_INFORMATION)
	require.NoError(t, err)
	t.Log(d)
	require.Contains(t, d.String(), "(A;;0x12008b;;;WD)")
	require.NoError(t, l.Close())
}

// The type, the instances and the buffers are those that were asked for.
func TestPipeInfo(t *testing.T) {
	for _, o := range []Options{{}, {PipeMessages: true, PipeInstances: 1}, {PipeInstances: 7, ReadBuffer: 1 << 20, WriteBuffer: 4 << 10}} {
		a, _ := pipe(t)
		l, err := listenPipe(t.Context(), a, o)
		require.NoError(t, err)
		var flags, out, in, most uint32
		require.NoError(t, windows.GetNamedPipeInfo(l.next, &flags, &out, &in, &most))
		require.Equal(t, o.PipeMessages, flags&windows.PIPE_TYPE_MESSAGE != 0)
		if o.PipeInstances > 0 {
			require.Equal(t, uint32(o.PipeInstances), most)
		} else {
			require.GreaterOrEqual(t, most, uint32(windows.PIPE_UNLIMITED_INSTANCES))
		}
		require.Equal(t, pipeBuffer(o.WriteBuffer), out)
		require.Equal(t, pipeBuffer(o.ReadBuffer), in)
		require.NoError(t, l.Close())
	}
}

// original opens pipes as npipes does, with blocking calls.
type original struct{ name *uint16 }

func newOriginal(t *testing.T, a Address, _ Options) original {
	t.Helper()
	name, err := pipeName(a)
	require.NoError(t, err)
	return original{name}
}

// make makes the pipe, with one instance, and waits for a client. busy is error 231.
func (o original) make(waiting chan<- struct{}) (end originalEnd, busy bool, err error) {
	const mode = windows.PIPE_TYPE_MESSAGE | windows.PIPE_READMODE_MESSAGE | windows.PIPE_WAIT
	h, err := windows.CreateNamedPipe(o.name, windows.PIPE_ACCESS_DUPLEX, mode, 1, 65536, 65536, 0, nil)
	if err != nil {
		return 0, errors.Is(err, windows.ERROR_PIPE_BUSY), err
	}
	close(waiting)
	if err := windows.ConnectNamedPipe(h, nil); err != nil && !errors.Is(err, windows.ERROR_PIPE_CONNECTED) {
		return 0, false, errors.Join(err, windows.CloseHandle(h))
	}
	return originalEnd(h), false, nil
}

// open opens the pipe that somebody else has made, for messages.
func (o original) open() (originalEnd, error) {
	h, err := windows.CreateFile(o.name, windows.GENERIC_READ|windows.GENERIC_WRITE, 0, nil, windows.OPEN_EXISTING, 0, 0)
	if err != nil {
		return 0, err
	}
	mode := uint32(windows.PIPE_READMODE_MESSAGE)
	if err := windows.SetNamedPipeHandleState(h, &mode, nil, nil); err != nil {
		return 0, errors.Join(err, windows.CloseHandle(h))
	}
	return originalEnd(h), nil
}

type originalEnd windows.Handle

// Write, Read and Close are one call of the system each.
func (e originalEnd) Write(b []byte) (int, error) {
	var n uint32
	err := windows.WriteFile(windows.Handle(e), b, &n, nil)
	return int(n), err
}

func (e originalEnd) Read(b []byte) (int, error) {
	var n uint32
	err := windows.ReadFile(windows.Handle(e), b, &n, nil)
	return int(n), err
}

func (e originalEnd) Close() error { return windows.CloseHandle(windows.Handle(e)) }
