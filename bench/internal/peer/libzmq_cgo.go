//go:build cgo && linux

package peer

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>

// The library is looked for when the program runs, so that the program builds
// without it.
static void *(*ctx_new)(void);
static int (*ctx_set)(void *, int, int);
static void *(*new_socket)(void *, int);
static int (*close_socket)(void *);
static int (*set_option)(void *, int, const void *, size_t);
static int (*get_option)(void *, int, void *, size_t *);
static int (*bind_socket)(void *, const char *);
static int (*connect_socket)(void *, const char *);
static int (*send_bytes)(void *, const void *, size_t, int);
static int (*receive_bytes)(void *, void *, size_t, int);
static void (*version)(int *, int *, int *);

static int load(void) {
	void *lib = dlopen("libzmq.so.5", RTLD_NOW | RTLD_GLOBAL);
	if (!lib) return -1;
	ctx_new = dlsym(lib, "zmq_ctx_new");
	ctx_set = dlsym(lib, "zmq_ctx_set");
	new_socket = dlsym(lib, "zmq_socket");
	close_socket = dlsym(lib, "zmq_close");
	set_option = dlsym(lib, "zmq_setsockopt");
	get_option = dlsym(lib, "zmq_getsockopt");
	bind_socket = dlsym(lib, "zmq_bind");
	connect_socket = dlsym(lib, "zmq_connect");
	send_bytes = dlsym(lib, "zmq_send");
	receive_bytes = dlsym(lib, "zmq_recv");
	version = dlsym(lib, "zmq_version");
	return ctx_new && ctx_set && new_socket && close_socket && set_option && get_option &&
		bind_socket && connect_socket && send_bytes && receive_bytes && version ? 0 : -1;
}

static void *call_ctx_new(void) { return ctx_new(); }
static int call_ctx_set(void *c, int o, int v) { return ctx_set(c, o, v); }
static void *call_socket(void *c, int k) { return new_socket(c, k); }
static int call_close(void *s) { return close_socket(s); }
static int call_set(void *s, int o, const void *v, size_t n) { return set_option(s, o, v, n); }
static int call_get(void *s, int o, void *v, size_t *n) { return get_option(s, o, v, n); }
static int call_bind(void *s, const char *a) { return bind_socket(s, a); }
static int call_connect(void *s, const char *a) { return connect_socket(s, a); }
static void call_version(int *a, int *b, int *c) { version(a, b, c); }

static int call_send(void *s, const void *p, size_t n) {
	int r;
	do r = send_bytes(s, p, n, 0); while (r < 0 && errno == EINTR);
	return r;
}

static int call_receive(void *s, void *p, size_t n) {
	int r;
	do r = receive_bytes(s, p, n, 0); while (r < 0 && errno == EINTR);
	return r;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"
)

var loadZMQ = sync.OnceValue(func() bool { return C.load() == 0 })

// What zmq.h says; it is an ABI, and does not change.
const (
	zmqPair, zmqPub, zmqSub, zmqPull, zmqPush = 0, 1, 2, 7, 8
	zmqSubscribe                              = 6
	zmqLinger                                 = 17
	zmqLastEndpoint                           = 32
	zmqMaxSockets                             = 2
)

// libzmqVersion is the version of the library that was found; "" for none.
func libzmqVersion() string {
	if !loadZMQ() {
		return ""
	}
	var a, b, c C.int
	C.call_version(&a, &b, &c)
	return fmt.Sprintf("%d.%d.%d", a, b, c)
}

var zmqContext = sync.OnceValue(func() unsafe.Pointer {
	c := C.call_ctx_new()
	C.call_ctx_set(c, zmqMaxSockets, 20_000)
	return c
})

// libzmqLink is a socket of libzmq; not safe for more than one goroutine.
type libzmqLink struct {
	socket unsafe.Pointer
	into   []byte
}

func newLibzmq(kind string, size int) (*libzmqLink, error) {
	if !loadZMQ() {
		return nil, errors.New("libzmq.so.5 is not here")
	}
	kinds := map[string]C.int{pairKind: zmqPair, pubKind: zmqPub, subKind: zmqSub, pullKind: zmqPull, pushKind: zmqPush}
	l := &libzmqLink{socket: C.call_socket(zmqContext(), kinds[kind]), into: make([]byte, max(size, 256))}
	if l.socket == nil {
		return nil, errors.New("no socket")
	}
	var none C.int
	if C.call_set(l.socket, zmqLinger, unsafe.Pointer(&none), C.sizeof_int) != 0 {
		return nil, errors.New("ZMQ_LINGER")
	}
	if kind == subKind && C.call_set(l.socket, zmqSubscribe, nil, 0) != 0 {
		return nil, errors.New("ZMQ_SUBSCRIBE")
	}
	return l, nil
}

// bind listens on a port of its own choice, and says which.
func (l *libzmqLink) bind() (string, error) {
	if C.call_bind(l.socket, cString("tcp://127.0.0.1:*")) != 0 {
		return "", errors.New("zmq_bind")
	}
	var at [256]C.char
	n := C.size_t(len(at))
	if C.call_get(l.socket, zmqLastEndpoint, unsafe.Pointer(&at[0]), &n) != 0 {
		return "", errors.New("ZMQ_LAST_ENDPOINT")
	}
	return C.GoString(&at[0]), nil
}

// connect returns at once: the connection is made behind it.
func (l *libzmqLink) connect(address string) error {
	if C.call_connect(l.socket, cString(address)) != 0 {
		return errors.New("zmq_connect")
	}
	return nil
}

// cString is s with a NUL behind it, in Go's memory: it is not kept.
func cString(s string) *C.char {
	b := append([]byte(s), 0)
	return (*C.char)(unsafe.Pointer(&b[0]))
}

func (l *libzmqLink) send(data []byte) error {
	if C.call_send(l.socket, unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data))) < 0 {
		return errors.New("zmq_send")
	}
	return nil
}

func (l *libzmqLink) receive() ([]byte, error) {
	n := C.call_receive(l.socket, unsafe.Pointer(unsafe.SliceData(l.into)), C.size_t(len(l.into)))
	if n < 0 || int(n) > len(l.into) {
		return nil, errors.New("zmq_recv")
	}
	return l.into[:n], nil
}

// close does nothing: another thread may be within the socket, which is not safe for
// two, and the process ends.
func (l *libzmqLink) close() error { return nil }
