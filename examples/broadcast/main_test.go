package main

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/serpy-go/serpy/examples/internal/cli"
	"github.com/serpy-go/serpy/examples/internal/proctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFlags(t *testing.T) {
	use := proctest.Uses(t, run)
	use(2, `-wires "line": choose`, "-wires", "line")
	use(2, `"serpy" stands there twice`, "-wires", "serpy,native,serpy")
	use(2, `"x" is too much`, "x")
	use(2, "flag provided but not", "-nope")
	use(1, `port "99999" is not`, "-addr", "127.0.0.1:99999")
	use(1, `no such scheme: "http"; want `+cli.Listens, "-addr", "http://x")
	use(1, "Choose another place by -addr", "-addr", "unix:///no/such/folder/socket")
	use(0, "/KTHXBYE", "-help")
	use(0, "-wires", "-help")
	use(0, cli.Listens, "-help")
}
