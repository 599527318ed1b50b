//go:build linux

package integration

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// roleVariable makes the test binary a peer program: it holds the plan as JSON.
const roleVariable = "SERPY_INTEGRATION_PEER"

func TestMain(m *testing.M) {
	if text := os.Getenv(roleVariable); text != "" {
		os.Exit(runPeer(text))
	}
	const toxiproxy = "github.com/Shopify/toxiproxy/v2"
	goleak.VerifyTestMain(m, // toxiproxy leaves goroutines behind where a toxic held a connection when it ended
		goleak.IgnoreAnyFunction(toxiproxy+".(*ToxicLink).read"),
		goleak.IgnoreAnyFunction(toxiproxy+"/toxics.(*ToxicStub).Run"))
}
